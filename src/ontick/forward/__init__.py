"""What will the world do next? Finds a task's forward model: its own, or one that was fitted to its flights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from ontick.forward.fitted import read_dynamics
from ontick.records import State
from ontick.tasks.base import Task, no_forward_model

ForwardModel: TypeAlias = Callable[[State, Sequence[int]], State]
"""Returns the observation that follows once each of the actions has acted for a tick; see `Task.predict`."""


def find_forward_model(task: Task, folder: Path | None = None) -> ForwardModel:
    """Return the model that ``ontick train TASK dynamics`` left in ``folder``; without one, the task's own.

    Raises:
        OntickError: the task has none, or the folder holds none, a damaged one, or one of another task.
    """
    if folder is not None:
        return read_dynamics(folder.expanduser(), task)
    if not task.has_forward_model:
        raise no_forward_model(task)
    return task.predict
