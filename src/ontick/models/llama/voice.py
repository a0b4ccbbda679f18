"""Where does llama.cpp keep what is talked about? In a context of its own, on the weights that decide.

So a conversation leaves no trace in what decisions are read in, and neither can push out the other. It costs the
memory of its keys and values, where someone may talk.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from ontick.models.llama.memory import PrefixMemory


class Voice:
    """A conversation's memory, read by ``reader``, the thread that reads for decisions too: a `beside.Memory`."""

    def __init__(self, memory: PrefixMemory, reader: ThreadPoolExecutor, likeliest: Callable[[], int]) -> None:
        """``likeliest`` returns the token with the largest logit where ``memory`` has read to."""
        self._memory = memory
        self._reader = reader
        self._likeliest = likeliest

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
        self._memory.read(prompt)
        return self._likeliest()
