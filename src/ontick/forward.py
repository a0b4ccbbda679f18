"""What will the world do next? Finds a task's forward model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ontick.records import State
from ontick.tasks.base import Task, no_forward_model

ForwardModel: TypeAlias = Callable[[State, Sequence[int]], State]
"""Returns the observation that follows once each of the actions has acted for a tick; see `Task.predict`."""


def find_forward_model(task: Task) -> ForwardModel:
    """Return the task's own forward model.

    Raises:
        OntickError: it has none.
    """
    if not task.has_forward_model:
        raise no_forward_model(task)
    return task.predict
