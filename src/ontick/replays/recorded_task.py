"""Which task was a run flown on? The one that its record names, from the module that it names, if they are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ontick.errors import OntickError, blame
from ontick.tasks import find_task
from ontick.tasks.base import Task


class FoundTask(NamedTuple):
    """A run's task, or why there is none, in one line."""

    task: Task | None
    why_none: str | None = None


def find_recorded_task(asked: Mapping[str, Any], task_module: str | None = None) -> FoundTask:
    """Return the task of a run from what its ``run.json`` says was asked.

    ``task_module`` is used in place of the module that the record names, which is imported as ``--task-module`` was.
    """
    name, recorded_module = asked.get("task"), asked.get("task_module")
    if not isinstance(name, str):
        return FoundTask(None, "the record names no task")
    module = task_module or (recorded_module if isinstance(recorded_module, str) else None)
    try:
        return FoundTask(find_task(name, module))
    except OntickError as error:
        why = str(error)
    except Exception as error:  # code from outside the package
        why = blame(error)
    return FoundTask(None, f"task {name!r} cannot be found ({why}); what is recorded is shown on gauges")
