"""Where is written what a lane flies? A run's folder for each flight that was asked for, as `ontick eval` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ontick.evaluation.episodes import Setup
from ontick.evaluation.summary import summarise
from ontick.records import Flight, Json, RunWriter, new_run_folder
from ontick.tasks.base import Task

MOST_EPISODES = 100
"""Of one run, whose flights are kept in memory until its summary is written; more go into another."""


class Change(NamedTuple):
    """A setting that was changed in flight."""

    tick: int
    """The first that it can have acted on."""
    name: str
    value: str | float | bool


class Conditions(NamedTuple):
    """How an episode was flown, beyond what its run says: the label of its line in ``episodes.jsonl``."""

    late: str
    delay_ms: float
    speed: float
    """At its beginning, like the two above."""
    changes: tuple[Change, ...]
    you_from_tick: int | None
    """The first tick on which a person can have acted; None: the controller flew alone."""

    def as_json(self) -> Json:
        """Return the label."""
        return {
            "late": self.late,
            "delay_ms": self.delay_ms,
            "speed": self.speed,
            "changes": [{"tick": change.tick, change.name: change.value} for change in self.changes],
            "you_from_tick": self.you_from_tick,
        }

    def throughout(self, name: str) -> bool:
        """Say whether a setting stayed as it was."""
        return all(change.name != name for change in self.changes)

    @property
    def slowed(self) -> bool:
        """Whether time did not pass at its own speed throughout."""
        return self.speed != 1 or not self.throughout("speed")


class Recording:
    """The runs of one flight that was asked for: ``words`` are what their folders are called."""

    def __init__(self, task: Task, setup: Setup, runs: Path, words: tuple[str, ...]) -> None:
        self._task = task
        self._setup = setup
        self._runs = runs
        self._words = words
        self._writer: RunWriter | None = None
        self._flights: list[Flight] = []
        self._conditions: list[Conditions] = []

    def open(self) -> None:
        """Make the run's folder, if there is none or it is full.

        Raises:
            OntickError: it cannot be made.
        """
        if len(self._flights) >= MOST_EPISODES:
            self.finish()
        if self._writer is None:
            asked = self._setup.as_json()
            for not_known_yet in ("episodes", "seeds"):
                del asked[not_known_yet]
            self._writer = RunWriter(new_run_folder(self._runs, *self._words), {"verb": "watch", **asked})

    def append(self, flight: Flight, conditions: Conditions) -> tuple[Path, int]:
        """Write an episode; return the run's folder, and the episode's number in it, from 0.

        Raises:
            OntickError: it cannot be written.
        """
        writer = self._writer
        assert writer is not None, "open it first"
        writer.append(flight, **conditions.as_json())
        self._flights.append(flight)
        self._conditions.append(conditions)
        return writer.folder, len(self._flights) - 1

    def finish(self) -> None:
        """Write the summary of the run that is open, if one is.

        Raises:
            OntickError: it cannot be written.
        """
        writer, self._writer = self._writer, None
        if writer is None:
            return
        flights, conditions = self._flights, self._conditions
        self._flights, self._conditions = [], []
        summary = summarise(self._task, flights, self._setup.asking.model.price)
        summary["flown_by_you"] = sum(found.you_from_tick is not None for found in conditions)
        summary["changed_in_flight"] = sum(bool(found.changes) for found in conditions)
        writer.finish(summary)
