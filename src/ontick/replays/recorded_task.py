"""Which task was a run flown on? The one that its record names, if it is known here or in a module that the user names.

A record may come from anywhere, so the module that it names itself is never imported.
"""

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
    """Return the task of a run from what its ``run.json`` says was asked; ``task_module`` is the user's own word."""
    name, recorded_module = asked.get("task"), asked.get("task_module")
    if not isinstance(name, str):
        return FoundTask(None, "the record names no task")
    try:
        return FoundTask(find_task(name, task_module))
    except OntickError as error:
        lacks_module = recorded_module is not None and task_module is None
        why = f"it was flown with --task-module {recorded_module}; give that again" if lacks_module else str(error)
    except Exception as error:  # code from outside the package
        why = blame(error)
    return FoundTask(None, f"task {name!r} cannot be found ({why}); what is recorded is shown on gauges")
