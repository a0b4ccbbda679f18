"""The whole story in a few flights: who can fly, and whether policy or latency stops the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ontick.evaluation.cliff import fly_curve
from ontick.evaluation.episodes import ClockName, Progress, Setup, silent
from ontick.evaluation.phases import Phases
from ontick.evaluation.points import EPISODES, CurveSetup
from ontick.evaluation.verdict import expected_s, reach_verdict
from ontick.records import Json, RunWriter

TASKS = ("cartpole", "lunarlander")

SLOW_API = "lognormal:150,0.25"
"""What hosted models took in the CartPole experiment: medians of 129-178 ms end to end, with a tail."""

CONTROLLERS: tuple[tuple[str, str | None], ...] = (
    ("none", None),
    ("random", None),
    ("teacher", None),
    ("teacher", SLOW_API),
    ("smollm2", None),
)


_CURVE_S = 4.0
"""Roughly what a latency curve takes."""


def tell(
    run: Path,
    *,
    episodes: int,
    seed: int,
    controllers: Sequence[tuple[str, str | None]] = CONTROLLERS,
    progress: Progress = silent,
    on_verdict: Callable[[Json], None] = lambda verdict: None,
) -> Json:
    """Fly both tasks with every controller in real time, and the teacher's latency curves.

    Returns the object that ``demo --json`` prints.

    Raises:
        OntickError: the folder ``run`` cannot be written, or the model is not installed.
        KeyboardInterrupt: after what was flown has been kept.
    """
    setups = [
        Setup(task, controller, episodes=episodes, seed=seed, delay=delay)
        for task in TASKS
        for controller, delay in controllers
    ]
    for setup in setups:
        setup.check()
    writer = RunWriter(run, {"verb": "demo", "episodes": episodes, "seed": seed, "controllers": list(controllers)})
    # The curves first: they keep every core busy, and the clock wants one to itself afterwards.
    curves: list[Json] = []
    verdicts: list[Json] = []
    names = [f"{setup.task} {setup.controller}{' delayed' if setup.delay else ''}" for setup in setups]
    judged_s = [sum(expected_s(setup).values()) for setup in setups]
    phases = Phases(progress, {**dict.fromkeys(TASKS, _CURVE_S), **dict(zip(names, judged_s, strict=True))})
    try:
        curves.extend(_curve(task, run, phases.of(task)) for task in TASKS)
        for setup, name in zip(setups, names, strict=True):
            verdicts.append(reach_verdict(setup, run / name.replace(" ", "-"), phases.of(name)).as_json())
            on_verdict(verdicts[-1])
    except KeyboardInterrupt as stop:
        writer.finish({"verdicts": verdicts, "curves": curves, "interrupted": True})
        raise KeyboardInterrupt(f"what was flown is kept and summarised in {run}") from stop
    story = {"verdicts": verdicts, "curves": curves, "run": str(run)}
    writer.finish(story)
    return story


def _curve(task: str, run: Path, progress: Progress) -> Json:
    base = Setup(task, "teacher", episodes=EPISODES, clock=ClockName.VIRTUAL)
    return fly_curve(CurveSetup(base), run / f"{task}-curve", progress)
