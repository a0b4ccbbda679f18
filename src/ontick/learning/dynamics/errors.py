"""How good is a forward model? How far its states are off after 1, 2, … ticks, against supposing that nothing changes.

A feature's skill is 1 - error / change: the mean absolute error over the mean absolute change of the state in that
time. 1 is perfect, 0 is no better than showing the old state. Flags (features that are only ever 0 or 1) and features
that never change are left out of the means over features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from ontick.durations import in_ms
from ontick.errors import OntickError
from ontick.forward.fitted import Dynamics
from ontick.learning.dynamics.traces import Trace
from ontick.records import Json
from ontick.tasks.base import Task

Array: TypeAlias = npt.NDArray[np.float64]

FARTHEST_TICKS = 20
MOST_WINDOWS, MOST_ONE_BY_ONE = 20_000, 1_000
"""How many stretches of flight are looked at, by a model that foresees many at once and by one that does not."""

GOOD = 0.5
"""A skill from here on counts as good: at most half as wrong as supposing that nothing changes."""


class Windows(NamedTuple):
    """Stretches of flights, all of the same length."""

    states: Array
    """Shape (n, ticks + 1, features)."""
    actions: npt.NDArray[np.int64]
    """Rows of the actions, shape (n, ticks)."""


class Errors(NamedTuple):
    """How far off a model is so many ticks ahead."""

    ticks: int
    error: Array
    """Mean absolute error of each feature, shape (features,)."""
    change: Array
    """Mean absolute change of each feature in that time, shape (features,)."""

    @property
    def skill(self) -> Array:
        """Shape (features,); NaN where a feature never changes."""
        moves = self.change > 0
        return np.where(moves, 1 - self.error / np.where(moves, self.change, 1), np.nan)


def windows_of(traces: Sequence[Trace], most: int = MOST_WINDOWS) -> Windows:
    """Return stretches of `FARTHEST_TICKS`, or as long as the longest flight, evenly taken from all flights.

    Raises:
        OntickError: no flight is longer than a tick.
    """
    ticks = min(FARTHEST_TICKS, max((len(trace.actions) for trace in traces), default=0))
    if not ticks:
        raise OntickError("the flights are too short to foresee anything; give the task longer episodes")
    places = [(trace, first) for trace in traces for first in range(len(trace.actions) - ticks + 1)]
    taken = places[:: -(-len(places) // most)]
    return Windows(
        np.stack([trace.states[first : first + ticks + 1] for trace, first in taken]),
        np.stack([trace.actions[first : first + ticks] for trace, first in taken]),
    )


def errors_of(dynamics: Dynamics, windows: Windows) -> list[Errors]:
    """Return the errors of a fitted model 1, 2, … ticks ahead."""
    found: list[Errors] = []
    states = windows.states[:, 0]
    for tick in range(windows.actions.shape[1]):
        states = dynamics.step(states, windows.actions[:, tick])
        found.append(_errors(windows, tick + 1, states))
    return found


def errors_of_own(task: Task, windows: Windows, ticks: Sequence[int]) -> list[Errors]:
    """Return the errors of the task's own forward model so many ticks ahead.

    Raises:
        OntickError: it has none.
    """

    def foresee(window: int, ahead: int) -> Array:
        rows = windows.actions[window, :ahead].tolist()
        actions = [row if row < len(task.actions) else task.noop for row in rows]
        return task.predict(windows.states[window, 0], actions)

    return [
        _errors(windows, ahead, np.stack([foresee(window, ahead) for window in range(len(windows.states))]))
        for ahead in ticks
    ]


def errors_as_json(task: Task, errors: Sequence[Errors]) -> list[Json]:
    """Return what a card says of them."""
    return [
        {
            "ticks": found.ticks,
            "features": {
                feature.name: {"error": error, "change": change, "skill": None if np.isnan(skill) else skill}
                for feature, error, change, skill in zip(
                    task.features, found.error.tolist(), found.change.tolist(), found.skill.tolist(), strict=True
                )
            },
        }
        for found in errors
    ]


def mean_skill(errors: Errors, flags: npt.NDArray[np.bool_]) -> float:
    """Return the mean skill of the features that change and are no flags, none counted as worse than -1."""
    counted = errors.skill[~flags & (errors.change > 0)]
    return float(np.maximum(counted, -1).mean()) if len(counted) else 0.0


def good_to(errors: Sequence[Errors], flags: npt.NDArray[np.bool_]) -> int:
    """Return to how many ticks ahead a model is good on average over its features; 0: it is not."""
    return _lasts(mean_skill(found, flags) for found in errors)


def words(task: Task, errors: Sequence[Errors], flags: npt.NDArray[np.bool_]) -> list[str]:
    """Say in a few sentences how good a model is, from its errors 1, 2, … ticks ahead."""
    good, farthest = good_to(errors, flags), len(errors)
    to = f"{good} tick{'' if good == 1 else 's'} ({in_ms(good * task.tick_ms)}) ahead"
    said = [
        f"good to {'at least ' if good == farthest else ''}{to}: to there it is, over all features, at most half as "
        "wrong as supposing that nothing changes"
        if good
        else "no good: already one tick ahead it is more than half as wrong as supposing that nothing changes"
    ]
    hardly: list[str] = []
    for place, feature in enumerate(task.features):
        skills = [float(found.skill[place]) for found in errors]
        last_good = max((tick for tick, skill in enumerate(skills, start=1) if skill >= GOOD), default=0)
        if np.isnan(skills).all():
            said.append(f"{feature.name} never changed")
        elif not last_good:
            hardly.append(feature.name)
        elif last_good < farthest:
            said.append(f"{feature.name} drifts beyond {last_good} tick{'' if last_good == 1 else 's'}")
    if hardly:
        are = "is" if len(hardly) == 1 else "are"
        said.append(f"{', '.join(hardly)} {are} hardly foreseen: noise, contact, or what no observation tells")
    return said


def _lasts(skills: Iterable[float]) -> int:
    """Return how many of the first ones are good."""
    count = 0
    for skill in skills:
        if not skill >= GOOD:
            break
        count += 1
    return count


def _errors(windows: Windows, ticks: int, foreseen: Array) -> Errors:
    later, now = windows.states[:, ticks], windows.states[:, 0]
    return Errors(ticks, np.abs(foreseen - later).mean(axis=0), np.abs(now - later).mean(axis=0))
