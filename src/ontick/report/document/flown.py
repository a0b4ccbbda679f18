"""What does a report know of episodes that were flown alike? The record, and what the task says of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ontick.late import Source
from ontick.records import AnswerRecord, Episode, Flight, Json
from ontick.replays import judged
from ontick.tasks.base import Task

USED, STALE, SILENT, NEVER_COLLECTED, ILLEGAL = "used", "stale", "silent", "not collected", "illegal"
"""What became of an answer; one that named no action is counted by its kind of failure instead."""


@dataclass(frozen=True)
class Flown:
    """Episodes of one controller, flown in one way."""

    label: str
    """In a few words, among the others that it is shown beside."""
    asked: Json
    summary: Json | None
    """None where it cannot be known: the run was killed, and its task is not there to judge it."""
    flights: tuple[Flight, ...]
    """Those whose ticks are whole, the finished ones."""
    task: Task | None
    allowed_ms: float | None = None
    """The latency that the task allows when it is flown like this, where the record says it."""

    @property
    def tick_ms(self) -> float | None:
        """The world's tick; None where no record tells."""
        if self.task is not None:
            return self.task.tick_ms
        times = next((flight.ticks for flight in self.flights if len(flight.ticks) > 1), None)
        return None if times is None else times[1].time_ms - times[0].time_ms

    @cached_property
    def answers(self) -> Sequence[AnswerRecord]:
        """Every answer, collected or not, without silences."""
        return [answer for flight in self.flights for answer in flight.answers()]

    @cached_property
    def sources(self) -> Counter[Source]:
        """How many ticks had their action from where."""
        return Counter(tick.source for flight in self.flights for tick in flight.ticks)

    @cached_property
    def fates(self) -> Counter[str]:
        """What became of the answers, silences too: `USED`, `STALE`, … or a kind of failure."""
        fates: Counter[str] = Counter()
        for flight in self.flights:
            answers = [answer for tick in flight.ticks for answer in tick.answers]
            for answer in answers:
                fates[SILENT if answer.abstained else "" if answer.valid else answer.failure or ILLEGAL] += 1
            stale = min(fates[""], flight.episode.stale_answers)
            fates[STALE] += stale
            fates[USED] += fates.pop("", 0) - stale
            fates[NEVER_COLLECTED] += len(flight.episode.uncollected)
        return +fates

    def succeeded(self, episode: Episode) -> bool | None:
        """Say whether an episode counts as a success; None where nobody knows."""
        known = judged.succeeded(self.task, episode)
        return self.failure_kind(episode) is None if known is None and self.summary is not None else known

    def failure_kind(self, episode: Episode) -> str | None:
        """Return the kind under which an episode is among the failures that the summary counts."""
        left: dict[str, list[int]] = {} if self.summary is None else self.summary["failures_left"]
        return next((kind for kind, seeds in left.items() if episode.seed in seeds), None)
