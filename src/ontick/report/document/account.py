"""Which runs lie in a run, part by part, and what of them is missing?

A verdict's folder holds two runs, a comparison's several, a demo's verdicts and curves. What is whole is kept; the rest
is named, a line each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ontick.errors import OntickError
from ontick.evaluation.demo import TASKS
from ontick.evaluation.summary import summarise
from ontick.late import LateRule
from ontick.records import INTERRUPTED, Flight, Json
from ontick.replays.recorded import RUN, SUMMARY, Recorded, read_recorded
from ontick.replays.recorded_task import find_recorded_task
from ontick.tasks.base import Task

FROZEN, REAL_TIME = "time frozen", "real time"


@dataclass(frozen=True)
class Account:
    """A run's folder, and the runs in it."""

    recorded: Recorded
    label: str
    """What it is in the run that it is a part of; of the one that was given, its folder's name."""
    task: Task | None
    parts: tuple[Account, ...]
    own_notes: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.recorded.folder

    @property
    def asked(self) -> Json:
        """What was asked for."""
        return self.recorded.asked

    @property
    def verb(self) -> str:
        """Which verb left it."""
        return str(self.asked.get("verb", ""))

    @cached_property
    def flights(self) -> tuple[Flight, ...]:
        """Every episode whose ticks are whole, one stopped in flight too, in the order flown."""
        return tuple(flight for _, flight in self.recorded.flights())

    @cached_property
    def finished(self) -> tuple[Flight, ...]:
        """Those of the flights that count."""
        return tuple(flight for flight in self.flights if flight.episode.outcome != INTERRUPTED)

    @cached_property
    def summary(self) -> Json | None:
        """What the episodes come to; computed here where the run was killed before it was written."""
        if self.recorded.summary is not None:
            return self.recorded.summary
        return None if self.task is None or not self.finished else summarise(self.task, self.finished)

    @property
    def is_judged(self) -> bool:
        """Whether a run of several flights came to its end, so that its summary says what it found."""
        summary = self.recorded.summary
        return summary is not None and not summary.get("interrupted")

    def notes(self) -> Iterator[str]:
        """Yield what is cut short, missing or damaged, here and in the parts, a line each."""
        yield from dict.fromkeys(self.own_notes)
        for part in self.parts:
            yield from (f"{part.label}: {note}" for note in part.notes())

    def leaves(self) -> Iterator[Account]:
        """Yield the runs that hold flights: itself, or those among its parts."""
        if not self.parts and self.recorded.keeps_ticks:
            yield self
        for part in self.parts:
            yield from part.leaves()


def read_account(folder: Path, task_module: str | None = None, label: str | None = None) -> Account:
    """Read a run's folder with the runs in it.

    ``task_module`` is where tasks of one's own are. The one that a record names is not imported: whoever reads a run
    of someone else's does not mean to run their code.

    Raises:
        OntickError: it is no run, or so damaged that not even what was asked can be read.
    """
    recorded = read_recorded(folder)
    asked = recorded.asked
    notes = list(recorded.notes) if asked.get("verb") != "cliff" else list(_curve_notes(recorded))
    found = find_recorded_task(asked, task_module)
    if found.task is None and recorded.keeps_ticks:
        notes.append(f"task {asked.get('task')!r} is not known here; show it with --task-module FILE")
    parts: list[Account] = []
    for part in _parts(recorded):
        if not (folder / part.folder).resolve().is_relative_to(folder.resolve()):
            continue  # a controller's name must not lead out of the folder that was given
        try:
            parts.append(read_account(folder / part.folder, task_module, part.label))
        except OntickError as error:
            if part.always or (folder / part.folder).exists():
                there = (folder / part.folder / RUN).exists()
                notes.append(str(error) if there else f"{part.label} is missing: it was not flown, or is not there")
    return Account(recorded, label or folder.resolve().name, found.task, tuple(parts), tuple(notes))


class _Part(NamedTuple):
    folder: str
    label: str
    always: bool = True
    """False: a run may do without it."""


def _parts(recorded: Recorded) -> list[_Part]:
    asked, verb = recorded.asked, recorded.asked.get("verb")
    if verb == "verdict":
        return [_Part("real_time", REAL_TIME), _Part("frozen", FROZEN)]
    if verb == "compare":
        return [
            part for number, word in enumerate(asked["controllers"], 1) for part in _compared(recorded, number, word)
        ]
    if verb == "demo":
        # Older records have the same controllers on every task.
        everywhere: list[tuple[str, str | None]] = asked.get("controllers", [])
        flown: dict[str, list[tuple[str, str | None]]] = (
            asked["flown"] if "flown" in asked else dict.fromkeys(TASKS, everywhere)
        )
        curves = [_Part(f"{task}-curve", f"{task}, latency curve") for task in flown]
        return curves + [_judged(task, word, delay) for task, entries in flown.items() for word, delay in entries]
    return []


def _judged(task: str, word: str, delay: str | None) -> _Part:
    if delay is None:
        return _Part(f"{task}-{word}", f"{task}, {word}")
    return _Part(f"{task}-{word}-delayed", f"{task}, {word} + {delay}")


def _compared(recorded: Recorded, number: int, word: str) -> Iterator[_Part]:
    for rule in late_rules(recorded):
        yield _Part(f"{number}/{rule}", f"{word}, {rule}")
        yield _Part(f"{number}/frozen-{rule}", f"{word}, {rule}, {FROZEN}", always=False)


def late_rules(recorded: Recorded) -> list[str]:
    """Return the late rules that a run compares; older records of comparisons tell only in their summary."""
    told = recorded.asked.get("late_rules") or (recorded.summary or {}).get("budget_ms") or list(LateRule)
    return list(map(str, told))


def _curve_notes(recorded: Recorded) -> Iterator[str]:
    """Yield what a latency curve misses; that it keeps no ticks is as it should be."""
    yield from recorded.damage
    if recorded.summary is None and not (recorded.folder / SUMMARY).exists():
        yield f"the curve did not come to its end: it has no {SUMMARY}; the points that are whole are shown"
    elif recorded.summary is not None and recorded.summary.get("interrupted"):
        yield "the curve was stopped before its end; the points that are whole are shown"
