"""Where does llama.cpp keep what is talked about, and how does a decision interrupt it? In a context of its own.

A conversation leaves no trace in what decisions are read in, and neither can push out the other: both contexts are on
the same weights. It costs the memory of its keys and values, where someone may talk.

llama.cpp computes a reading node by node, and asks between them whether someone wants to see what came out. Once a
layer the answer is yes, and what is done then is to wait for the next gap. Nothing is computed otherwise for that.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llama_cpp

from ontick.models.gaps import Gaps, Pause
from ontick.models.llama.memory import PrefixMemory

NODES_A_STEP = 32
"""About a layer of the usual models. Every step wakes the threads up once."""

_api: Any = llama_cpp
"""llama-cpp-python's low-level functions are typed as ctypes stubs that no checker can follow."""


class Interruption:
    """What a context for conversations calls between its nodes."""

    def __init__(self) -> None:
        self.function = _api.ggml_backend_sched_eval_callback(self._between)
        """For ``cb_eval`` in a context's parameters; it must live as long as the context."""
        self.pause: Pause | None = None
        """Called after each step; None: nothing is."""
        self._nodes = 0

    def _between(self, _node: Any, ask: bool, _data: Any) -> bool:
        """Say whether to stop after a node; stopped there, wait."""
        if ask:
            self._nodes += 1
            return self._nodes % NODES_A_STEP == 0
        if self.pause is not None:
            self.pause()
        return True

    def begin(self) -> None:
        """Begin counting: a reading's steps end where the last one's did."""
        self._nodes = 0


class Voice:
    """A conversation's memory, read in ``gaps``: a `beside.Memory`."""

    def __init__(
        self, memory: PrefixMemory, interruption: Interruption, likeliest: Callable[[], int], gaps: Gaps
    ) -> None:
        """``likeliest`` returns the token with the largest logit where ``memory`` has read to."""
        # A thread of its own, as decisions have: a reading that is interrupted stays in it.
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="llama.cpp voice")
        self._memory = memory
        self._interruption = interruption
        self._likeliest = likeliest
        self._gaps = gaps

    def keep(self, prompt: list[int]) -> int:
        """Forget all that is no beginning of ``prompt``; see `beside.Memory.keep`."""
        return self._reader.submit(self._memory.keep, prompt).result()

    def likeliest(self, prompt: list[int]) -> int:
        """Read what is new of ``prompt``; see `beside.Memory.likeliest`.

        Raises:
            UnreadableError: llama.cpp gave up on it.
        """
        return self._reader.submit(self._read, prompt).result()

    def _read(self, prompt: list[int]) -> int:
        new = max(1, len(prompt) - self._memory.keep(prompt))
        with self._gaps.steps(new) as pause:
            self._interruption.begin()
            self._interruption.pause = pause
            try:
                self._memory.read(prompt)
                return self._likeliest()
            finally:
                self._interruption.pause = None
