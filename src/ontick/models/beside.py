"""How does a model write an answer beside its decisions? Token by token, from a memory that is not the decisions'."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator
from typing import Protocol

from ontick.errors import OntickError
from ontick.models.base import Piece

READ_AT_ONCE = 16
"""Tokens of a question that are read in one go: more make a layer of them a long wait for a decision."""

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""How a text ends whose last character has not been written whole."""


class Memory(Protocol):
    """What has been read of a conversation; another than that of the decisions, which go first."""

    def keep(self, prompt: list[int]) -> int:
        """Forget all that is no beginning of ``prompt``; return how many of its tokens are left."""
        ...

    def likeliest(self, prompt: list[int]) -> int:
        """Read what is new of ``prompt``; return the token that is likeliest to follow."""
        ...


class Beside:
    """Writes one answer at a time with the model called ``name``."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._busy = threading.Lock()

    def write(
        self,
        prompt: list[int],
        max_tokens: int,
        *,
        memory: Memory,
        ends: Collection[int] | Callable[[int], bool],
        decode: Callable[[list[int]], str],
    ) -> Generator[Piece]:
        """Yield what follows ``prompt``: the likeliest token after all those before, up to one that ends the turn.

        Raises:
            OntickError: another answer is being written.
        """
        if not self._busy.acquire(blocking=False):
            raise OntickError(f"{self._name} is still answering; wait for that, or stop it")
        ended = ends if callable(ends) else ends.__contains__
        said: list[int] = []
        shown = 0
        try:
            token = _read(prompt, memory)
            while not ended(token):
                said.append(token)
                text = decode(said)
                whole = not text.endswith(_UNFINISHED)
                yield Piece(text[shown:] if whole else "", token)
                shown = len(text) if whole else shown
                if len(said) >= max_tokens:
                    break
                token = memory.likeliest([*prompt, *said])
            left = decode(said)[shown:]
            if left:
                yield Piece(left, None)
        finally:
            self._busy.release()


def _read(prompt: list[int], memory: Memory) -> int:
    """Read a question; return the answer's first token."""
    at = min(memory.keep(prompt), len(prompt) - 1)
    token = -1
    while at < len(prompt):
        at = min(at + READ_AT_ONCE, len(prompt))
        token = memory.likeliest(prompt[:at])
    return token
