"""How does a model write an answer beside its decisions? A token or a few at a time, in the gaps that they leave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Generator
from typing import Protocol

from ontick.errors import OntickError
from ontick.models.base import Piece
from ontick.models.gaps import Gaps

READ_AT_ONCE = (4, 1)
"""Tokens of a question that are read in one step, where there is time for so many: on a processor four cost what two
do, since it multiplies rows of four."""

_UNFINISHED = "\N{REPLACEMENT CHARACTER}"
"""How a text ends whose last character has not been written whole."""


class Memory(Protocol):
    """What has been read of a conversation; another than that of the decisions."""

    def keep(self, prompt: list[int]) -> int:
        """Forget all that is no beginning of ``prompt``; return how many of its tokens are left."""
        ...

    def likeliest(self, prompt: list[int]) -> int:
        """Read what is new of ``prompt``; return the token that is likeliest to follow."""
        ...


class Beside:
    """Writes one answer at a time with the model called ``name``, in ``gaps``."""

    def __init__(self, name: str, gaps: Gaps) -> None:
        self._name = name
        self._gaps = gaps
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
            token = self._read(prompt, memory)
            while not ended(token):
                said.append(token)
                text = decode(said)
                whole = not text.endswith(_UNFINISHED)
                yield Piece(text[shown:] if whole else "", token)
                shown = len(text) if whole else shown
                if len(said) >= max_tokens:
                    break
                with self._gaps.step((1,)):
                    token = memory.likeliest([*prompt, *said])
            left = decode(said)[shown:]
            if left:
                yield Piece(left, None)
        finally:
            self._busy.release()

    def _read(self, prompt: list[int], memory: Memory) -> int:
        """Read a question; return the answer's first token."""
        at = min(memory.keep(prompt), len(prompt) - 1)
        token = -1
        while at < len(prompt):
            sizes = [size for size in READ_AT_ONCE if size <= len(prompt) - at]
            with self._gaps.step(sizes) as size:
                at += size
                token = memory.likeliest(prompt[:at])
        return token
