"""Which task is meant? The built-in ones, those of installed packages, and a user's own module."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points

from ontick.errors import OntickError, unknown_name
from ontick.plugins import load_attribute, load_module
from ontick.tasks.base import Task

ENTRY_POINT_GROUP = "ontick.tasks"

_BUILT_IN = {
    "cartpole": "ontick.tasks.cartpole:CartPole",
    "lunarlander": "ontick.tasks.lunar_lander:LunarLander",
}


def find_task(name: str, task_module: str | None = None) -> Task:
    """Return the task called ``name``.

    ``task_module`` is a user's Python file or importable module; every `Task` subclass defined in it counts.

    Raises:
        OntickError: there is no such task, or it contradicts itself.
    """
    known = _known(task_module)
    if name not in known:
        raise unknown_name("task", name, known, "your own with --task-module FILE.py")
    kind = known[name]()
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise OntickError(f"task {name!r} is not a subclass of ontick.tasks.base.Task; see docs/add-a-task.md")
    task = kind()
    task.check()
    return task


def task_names(task_module: str | None = None) -> list[str]:
    """Return the names by which `find_task` knows tasks; one of an installed package may not load.

    Raises:
        OntickError: the module cannot be imported or defines no tasks.
    """
    return list(_known(task_module))


def _known(task_module: str | None) -> dict[str, Callable[[], object]]:
    """Return what loads each task, by its name."""
    known: dict[str, Callable[[], object]] = {
        known_name: lambda target=target: load_attribute(target) for known_name, target in _BUILT_IN.items()
    }
    known |= {point.name: point.load for point in entry_points(group=ENTRY_POINT_GROUP)}
    if task_module is not None:
        known |= {kind.name: lambda kind=kind: kind for kind in _tasks_in(task_module)}
    return known


def _tasks_in(task_module: str) -> list[type[Task]]:
    module = load_module(task_module)
    kinds = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Task) and value.__module__ == module.__name__
    ]
    if not kinds:
        raise OntickError(f"{task_module} defines no subclass of ontick.tasks.base.Task; see docs/add-a-task.md")
    for kind in kinds:
        if not hasattr(kind, "name"):
            raise OntickError(f"{kind.__name__} in {task_module} has no name; give it one: name = 'mytask'")
    return kinds
