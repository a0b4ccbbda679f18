"""Does answering cost ticks? How a flight goes while an answer is under way, beside how it goes while none is."""

from __future__ import annotations

import math
from collections import deque

from ontick.evaluation.statistics import percentiles
from ontick.late import Source
from ontick.records import Json, Tick

REMEMBERED = 100_000
"""Latencies of each side, the newest, unless fewer are asked for."""


class Tally:
    """Ticks of one kind, and the newest latencies of the answers found at them."""

    def __init__(self, remembered: int) -> None:
        self._ticks = 0
        self._late_ticks = 0
        self._latencies_ms: deque[float] = deque(maxlen=remembered)

    def add(self, tick: Tick) -> None:
        """Count a tick, with the answers that it found."""
        self._ticks += 1
        self._late_ticks += tick.source in (Source.HELD, Source.NOOP)
        self._latencies_ms.extend(answer.latency_ms for answer in tick.answers if not answer.abstained)

    def as_json(self) -> Json:
        """Return how many ticks there were and came too late, and what decisions took."""
        found = percentiles(self._latencies_ms, 50, 95)
        return {
            "ticks": self._ticks,
            "late_ticks": self._late_ticks,
            "late_share": round(self._late_ticks / self._ticks, 6) if self._ticks else None,
            "decision_ms": {name: _rounded(found[name]) for name in ("p50", "p95")},
        }


class Talked:
    """Two tallies of one flight or many: ticks at which an answer was under way, and the others."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._answering = Tally(remembered)
        self._silent = Tally(remembered)
        self.any_answer = False
        """Whether any answer was under way at any tick."""

    def add(self, tick: Tick, *, answering: bool) -> None:
        """Count a tick."""
        self.any_answer = self.any_answer or answering
        (self._answering if answering else self._silent).add(tick)

    def as_json(self) -> Json:
        """Return both tallies."""
        return {"answering": self._answering.as_json(), "silent": self._silent.as_json()}


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 3)
