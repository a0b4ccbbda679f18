"""How far is work that has several parts? One bar over all of them, by what each is expected to take."""

from __future__ import annotations

from collections.abc import Mapping

from ontick.evaluation.episodes import Progress

PARTS = 1000
"""In so many parts the whole is told."""


class Phases:
    """Tells of the whole what its phases, one after another, tell of themselves; one may be left out."""

    def __init__(self, progress: Progress, shares: Mapping[str, float]) -> None:
        """``shares`` has each phase's name and its expected share of the time, in any unit, in order."""
        self._progress = progress
        whole = sum(shares.values())
        self._spans: dict[str, tuple[float, float]] = {}
        begin = 0.0
        for name, share in shares.items():
            self._spans[name] = begin, begin + share / whole
            begin += share / whole

    def of(self, name: str) -> Progress:
        """Return what one phase is to tell of itself."""
        begin, end = self._spans[name]

        def tell(done: int, total: int, last: str) -> None:
            share = begin + (end - begin) * min(1.0, done / total if total else 1.0)
            counted = name if total == PARTS else f"{name} {done}/{total}"  # phases within a phase count for themselves
            self._progress(round(PARTS * share), PARTS, f"{counted}: {last}" if last else counted)

        return tell
