"""What would the task's teacher have done at each tick of a recorded flight?"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ontick.errors import OntickError, blame
from ontick.records import State, Tick
from ontick.tasks.base import Task


class Opinion(NamedTuple):
    """The teacher's action for every tick."""

    actions: tuple[int, ...] | None
    """None: the task has no teacher, or it failed."""
    why_none: str | None = None
    """In one line, where it failed."""


NO_TEACHER = Opinion(None)


def ask_teacher(task: Task, ticks: Sequence[Tick]) -> Opinion:
    """Ask the task's teacher about every tick's state; an error of its own is told, not raised."""
    if not task.has_teacher:
        return NO_TEACHER
    try:
        env = task.make()
        return Opinion(
            tuple(operator.index(task.teacher(env, _as_observed(env.observation_space, tick))) for tick in ticks)
        )
    except OntickError as error:
        return Opinion(None, f"the teacher's actions are not known: {error}")
    except Exception as error:
        return Opinion(None, f"the teacher's actions are not known: {blame(error)}")


def _as_observed(space: Any, tick: Tick) -> State:
    """Return the state in the precision in which it was flown: a teacher's thresholds may lie between two."""
    dtype = np.dtype(space.dtype)
    return tick.observation.astype(dtype) if np.issubdtype(dtype, np.floating) else tick.observation
