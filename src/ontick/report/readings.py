"""What is there to say of a flight at one of its ticks, and in which words? For films and for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ontick.durations import in_ms
from ontick.late import Source
from ontick.records import Flight, Tick
from ontick.tasks.base import Task


class Reading(NamedTuple):
    """What is known at a tick once it is flown; only a film or a person's eye skips any."""

    tick: int
    time_ms: float
    action: int
    source: Source
    age_ticks: int | None
    """How old the observation behind the action was; None where there is none behind it."""
    decision_ms: float | None
    """The latency of the newest answer that has come; None before the first."""
    reward: float
    """In all so far."""
    counts: tuple[int, ...]
    """How many ticks there were so far of each `Source`, in its order."""

    def share(self, source: Source) -> float:
        """Return which part of the ticks so far had their action from ``source``."""
        return self.counts[_PLACE[source]] / sum(self.counts)


class Words(NamedTuple):
    """A reading as a person reads it."""

    tick: str
    time: str
    action: str
    source: str
    age: str
    decision: str
    reward: str


_PLACE = {source: place for place, source in enumerate(Source)}


class Meter:
    """Adds up a flight's ticks as they come; each costs a few microseconds."""

    __slots__ = ("_counts", "_decision_ms", "_reward")

    def __init__(self) -> None:
        self._counts = [0] * len(Source)
        self._decision_ms: float | None = None
        self._reward = 0.0

    def read(self, tick: Tick) -> Reading:
        """Return what there is to say once ``tick`` is flown, the one after the tick read before."""
        self._counts[_PLACE[tick.source]] += 1
        self._reward += tick.reward
        if tick.answers:
            self._decision_ms = tick.answers[-1].latency_ms
        return Reading(
            tick.tick,
            tick.time_ms,
            tick.action,
            tick.source,
            tick.observation_age_ticks,
            self._decision_ms,
            self._reward,
            tuple(self._counts),
        )


def readings(flight: Flight) -> Iterator[Reading]:
    """Yield a flight's readings, one a tick."""
    meter = Meter()
    yield from map(meter.read, flight.ticks)


def in_words(reading: Reading, task: Task) -> Words:
    """Write a reading; a dash stands for what is not known or not there."""
    age, decision_ms = reading.age_ticks, reading.decision_ms
    decimals = 1 if task.tick_s > 0.05 else 2
    return Words(
        tick=str(reading.tick),
        time=f"{reading.time_ms / 1e3:.{decimals}f} s",
        action=task.action_name(reading.action),
        source=SOURCE_WORDS[reading.source],
        age="-" if age is None else f"{age} tick" if age == 1 else f"{age} ticks",
        decision="-" if decision_ms is None else in_ms(decision_ms),
        reward=f"{reading.reward:.1f}",
    )


SOURCE_WORDS = {Source.FRESH: "fresh", Source.PLANNED: "planned", Source.HELD: "held", Source.NOOP: "no-op"}


def ending_in_words(flight: Flight, task: Task) -> str:
    """Name how an episode ended: its outcome, or for one that is no success which kind of failure it is."""
    return task.failure(flight) or flight.episode.outcome
