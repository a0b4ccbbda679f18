"""What has been flown on the stage, by whom, and how well? A row for who x task x late rule x delay."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ontick.evaluation.statistics import percentiles
from ontick.records import Json

REMEMBERED = 20_000
"""Latencies of a row: the newest."""

MOST_ROWS = 200


class Flown(NamedTuple):
    """An episode that was flown to its end."""

    who: str
    """The controller's word, or ``you``."""
    you: bool
    """A person flew it, or part of it."""
    slowed: bool
    """Time did not pass at its own speed throughout: that gives a person more time, and no one else."""
    task: str
    late: str | None
    """None: the rule was changed in flight."""
    delay_ms: float | None
    """None: the delay was changed in flight."""
    success_name: str
    success: bool
    reward: float
    steps: int
    late_ticks: int
    latencies_ms: Sequence[float]
    """Of the controller's answers; of a person none."""


class _Key(NamedTuple):
    who: str
    you: bool
    task: str
    late: str | None
    delay_ms: float | None


@dataclass
class _Row:
    success_name: str
    rewards: float = 0.0
    successes: int = 0
    late_ticks: int = 0
    steps: deque[int] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    ticks: int = 0
    episodes: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))


class Table:
    """Kept by the server for as long as it is up."""

    def __init__(self) -> None:
        self._rows: dict[_Key, _Row] = {}
        self._reactions_ms: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, flown: Flown) -> None:
        """Count an episode."""
        who = f"{flown.who} (slow motion)" if flown.you and flown.slowed else flown.who
        key = _Key(who, flown.you, flown.task, flown.late, flown.delay_ms)
        row = self._rows.pop(key, None) or _Row(flown.success_name)
        self._rows[key] = row  # the newest is the last
        if len(self._rows) > MOST_ROWS:
            del self._rows[next(iter(self._rows))]
        row.episodes += 1
        row.successes += flown.success
        row.rewards += flown.reward
        row.steps.append(flown.steps)
        row.ticks += flown.steps
        row.late_ticks += flown.late_ticks
        row.latencies_ms.extend(flown.latencies_ms)

    def react(self, times_ms: Sequence[float]) -> None:
        """Take in how long a person took to react, in milliseconds."""
        self._reactions_ms.extend(times_ms)

    def rows(self) -> list[Json]:
        """Return the rows for the page, those first that were flown first of late."""
        return [self._as_json(key, row) for key, row in self._rows.items()]

    def _as_json(self, key: _Key, row: _Row) -> Json:
        decision_ms = percentiles(self._reactions_ms if key.you else row.latencies_ms, 50, 95)
        return {
            "who": key.who,
            "task": key.task,
            "late": key.late,
            "delay_ms": key.delay_ms,
            "episodes": row.episodes,
            "successes": row.successes,
            "success_name": row.success_name,
            "reward_mean": _rounded(row.rewards / row.episodes),
            "steps_median": percentiles(row.steps, 50)["p50"],
            "decision_p50_ms": _rounded(decision_ms["p50"]),
            "decision_p95_ms": _rounded(decision_ms["p95"]),
            "late_share": _rounded(row.late_ticks / row.ticks) if row.ticks else None,
            "you": key.you,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 4)
