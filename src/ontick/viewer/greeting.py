"""What is a page told first? Which tasks there are, what each allows, and whom one might fly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ontick import __version__
from ontick.controllers.catalog import SCRIPTED
from ontick.errors import OntickError
from ontick.evaluation.episodes import MOST_IN_FLIGHT, Setup
from ontick.evaluation.needs import remembered_needs_ms
from ontick.late import LateRule
from ontick.models.catalog import EMBEDDED
from ontick.pilots.card import CARD
from ontick.pilots.find import HOME, PREFIX, shipped_pilots
from ontick.records import Json
from ontick.tasks import find_task, task_names
from ontick.tasks.base import Task
from ontick.viewer.lanes.story import describe_task
from ontick.viewer.settings import MAX_DELAY_MS, YOU


def load_tasks(wanted: str, task_module: str | None) -> dict[str, Task]:
    """Return every task that can be flown, by name; of installed packages those that load.

    Raises:
        OntickError: ``wanted`` is not among them, or the module is no such module.
    """
    tasks = {wanted: find_task(wanted, task_module)}
    for name in task_names(task_module):
        try:
            tasks.setdefault(name, find_task(name, task_module))
        except (Exception, SystemExit):
            continue  # not asked for; whoever wants it learns why by asking for it
    return tasks


def suggestions(named: Sequence[str], anywhere: bool) -> list[str]:
    """Return whom one might fly: those ``named``, the scripted ones, a person, and, ``anywhere``, what lies here."""
    here = [EMBEDDED, *(f"{PREFIX}{name}" for name in (*shipped_pilots(), *_pilots(HOME)))] if anywhere else []
    return list(dict.fromkeys((*named, *SCRIPTED, YOU, *here)))


def greeting(tasks: Mapping[str, Task], base: Setup, controllers: Sequence[str]) -> Json:
    """Return the message that a page is told first, all but how things stand."""
    return {
        "say": "hello",
        "version": __version__,
        "tasks": [
            {
                **describe_task(task),
                "keys": dict(task.actions_of_keys),
                "success": task.success,
                "needs_ms": _needs_ms(replace(base, task=name), task),
            }
            for name, task in tasks.items()
        ],
        "controllers": list(controllers),
        "limits": {"max_delay_ms": MAX_DELAY_MS, "max_in_flight": MOST_IN_FLIGHT},
    }


def _needs_ms(setup: Setup, task: Task) -> Json | None:
    """Return which latency a task allows under each late rule, where that has been found out before."""
    if not task.has_teacher:
        return None
    try:
        return {late.value: remembered_needs_ms(replace(setup, late=late)) for late in LateRule}
    except OntickError:
        return None


def _pilots(folder: Path) -> list[str]:
    return sorted(card.parent.name for card in folder.glob(f"*/{CARD}"))
