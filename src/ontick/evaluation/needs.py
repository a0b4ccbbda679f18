"""Which latency does a task allow? Its teacher's latency curve, flown once and remembered."""

from __future__ import annotations

import hashlib
import inspect
import json
from contextlib import suppress
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path

import ontick
from ontick.cache import cache_folder, made_whole
from ontick.controllers.catalog import Asking
from ontick.controllers.prediction import Predict
from ontick.evaluation.cliff import needs_ms
from ontick.evaluation.episodes import ClockName, Progress, Setup, silent
from ontick.evaluation.points import EPISODES, WAYS_DELAY_TICKS, CurveSetup, Point, fly_points
from ontick.tasks import find_task
from ontick.tasks.base import Task


def task_needs_ms(setup: Setup, progress: Progress = silent) -> float | None:
    """Return the latency that ``setup``'s task allows under its late rule, asked as it asks.

    It is flown by the task's teacher, 50 episodes at each of 16 delays, and remembered in the user's cache folder until
    the task's file, the curve's settings or this package changes. None when the task has no teacher, or one that never
    succeeds.
    """
    task = find_task(setup.task, setup.task_module)
    if not task.has_teacher:
        return None
    curve = _curve(setup, task)
    remembered = _remembered(task, curve)
    with suppress(OSError, ValueError, KeyError):
        return _read(remembered)
    points: list[Point] = []
    for point in fly_points(curve):
        points.append(point)
        progress(len(points), len(curve.delays_ms), f"{point.delay_ms:g} ms")
    needs = needs_ms(task, points)
    with suppress(OSError), made_whole(remembered) as partial:
        partial.write_text(json.dumps({"needs_ms": needs, "task": task.name, "late": setup.late}))
    return needs


def remembered_needs_ms(setup: Setup) -> float | None:
    """Return what `task_needs_ms` does, where it is remembered; None where it would have to be flown."""
    task = find_task(setup.task, setup.task_module)
    with suppress(OSError, ValueError, KeyError):
        return _read(_remembered(task, _curve(setup, task))) if task.has_teacher else None
    return None


def _curve(setup: Setup, task: Task) -> CurveSetup:
    """Return what is flown to find out."""
    teacher = replace(
        setup,
        controller="teacher",
        episodes=EPISODES,
        seed=0,
        clock=ClockName.VIRTUAL,
        latency=None,
        delay=None,
        asking=Asking(chunk=setup.asking.chunk if _rolls_forward(setup, task) else 1),
    )
    far = () if setup.predict is Predict.OFF else tuple(ticks * task.tick_ms for ticks in WAYS_DELAY_TICKS[::2])
    return CurveSetup(teacher, (setup.late,), far).filled_in(task)


def _remembered(task: Task, curve: CurveSetup) -> Path:
    return cache_folder() / "needs" / f"{_fingerprint(task, curve)}.json"


def _read(remembered: Path) -> float | None:
    return json.loads(remembered.read_text())["needs_ms"]


def _rolls_forward(setup: Setup, task: Task) -> bool:
    """Say whether a teacher can answer with plans, as a language model can without looking ahead."""
    return task.has_forward_model or setup.dynamics is not None


def _fingerprint(task: Task, curve: CurveSetup) -> str:
    """Digest everything that a task's need depends on."""
    digest = hashlib.sha256(json.dumps(asdict(curve), sort_keys=True, default=str).encode())
    for package in ("gymnasium", "numpy", "Box2D"):
        digest.update(metadata.version(package).encode())
    digest.update(Path(inspect.getfile(type(task))).read_bytes())
    fitted = curve.base.dynamics
    for file in sorted(fitted.glob("*")) if fitted is not None else ():
        digest.update(file.read_bytes())
    for file in sorted(Path(ontick.__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:24]
