"""What of a prompt has llama.cpp read already, and how is the rest read?

The key-value cache is cut back to where a prompt first differs from the one before. A model with recurrent layers
keeps one state that cannot be cut; of that, a copy is kept as it was where prompts have been seen to part.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import llama_cpp

from ontick.models.chat import common_prefix

BATCH_TOKENS = 512

_LIVE, _COPY = 0, 1
"""The sequence that prompts are read in, and the one that keeps a copy of their beginning."""

_ALL = -1

_LAST = -1

_WORTH_A_COPY = 16
"""A beginning longer than the copied one by more tokens than this is copied anew."""

_api: Any = llama_cpp
"""llama-cpp-python's low-level functions are typed as ctypes stubs that no checker can follow."""


class UnreadableError(Exception):
    """llama.cpp gave up on a prompt."""


def sequences(model: Any) -> int:
    """Return how many sequences a context for ``model`` must have room for."""
    return 2 if _is_recurrent(model) else 1


class PrefixMemory:
    """The memory of a llama.cpp context, and which tokens are in it."""

    def __init__(self, model: Any, context: Any) -> None:
        self._context = context
        self._memory = _api.llama_get_memory(context)
        self._recurrent = _is_recurrent(model)
        self._there: list[int] = []
        self._copied: list[int] = []

    def read(self, prompt: list[int]) -> int:
        """Bring the memory to ``prompt``; return how many of its tokens were there already.

        Raises:
            UnreadableError: llama.cpp gave up on it.
        """
        # The last token is always read again: its logits are what is asked for.
        shared = min(common_prefix(self._there, prompt), len(prompt) - 1)
        kept = shared if self._cut(shared) else self._restore(prompt, shared)
        self._append(prompt[len(self._there) :])
        return kept

    def keep(self, prompt: list[int]) -> int:
        """Forget all that is no beginning of ``prompt``; return how many of its tokens are left."""
        shared = common_prefix(self._there, prompt)
        if not self._cut(shared):
            self._forget()
        return len(self._there)

    def read_each(self, prompt: list[int], first: int) -> Iterator[int]:
        """Bring the memory to ``prompt``, and stop after each token from ``prompt[first]`` on.

        What is yielded is where ``llama_get_logits_ith`` has the logits after that token, until the next stop.

        Raises:
            UnreadableError: llama.cpp gave up on it.
        """
        self.read(prompt[: first + 1])
        yield _LAST
        for start in range(first + 1, len(prompt), BATCH_TOKENS):
            piece = prompt[start : start + BATCH_TOKENS]
            self._decode(piece, logits_of_each=True)
            yield from range(len(piece))

    def _cut(self, kept: int) -> bool:
        """Forget all but the first ``kept`` tokens; return whether that could be done."""
        if self._recurrent and kept < len(self._there):
            return False
        if not _api.llama_memory_seq_rm(self._memory, _LIVE, kept, _ALL):
            return False
        del self._there[kept:]
        return True

    def _restore(self, prompt: list[int], shared: int) -> int:
        """Go back to the copy, or make one where this prompt and the one before part; return what was there."""
        copied = len(self._copied)
        if 0 < copied == common_prefix(self._copied, prompt) and shared - copied <= _WORTH_A_COPY:
            _api.llama_memory_seq_rm(self._memory, _LIVE, _ALL, _ALL)
            _api.llama_memory_seq_cp(self._memory, _COPY, _LIVE, _ALL, _ALL)
            self._there = list(self._copied)
            return copied
        self._forget()
        if self._recurrent and shared:
            self._append(prompt[:shared])
            _api.llama_memory_seq_cp(self._memory, _LIVE, _COPY, _ALL, _ALL)
            self._copied = prompt[:shared]
        return 0

    def _forget(self) -> None:
        _api.llama_memory_clear(self._memory, True)
        self._there, self._copied = [], []

    def _append(self, tokens: Sequence[int]) -> None:
        for start in range(0, len(tokens), BATCH_TOKENS):
            self._decode(tokens[start : start + BATCH_TOKENS])

    def _decode(self, tokens: Sequence[int], *, logits_of_each: bool = False) -> None:
        array = (_api.llama_token * len(tokens))(*tokens)
        batch = _api.llama_batch_get_one(array, len(tokens))
        if logits_of_each:
            batch.logits = (ctypes.c_int8 * len(tokens))(*[1] * len(tokens))
        if _api.llama_decode(self._context, batch) != 0:
            self._forget()
            raise UnreadableError
        self._there += tokens


def _is_recurrent(model: Any) -> bool:
    return bool(_api.llama_model_is_recurrent(model) or _api.llama_model_is_hybrid(model))
