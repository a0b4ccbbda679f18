"""The whole story in a few flights: who can fly, and whether policy or latency stops the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

from ontick.controllers.pilot import check_untrained, is_pilot_word
from ontick.evaluation.cliff import fly_curve
from ontick.evaluation.episodes import ClockName, Progress, Setup, silent
from ontick.evaluation.phases import Phases
from ontick.evaluation.points import EPISODES, CurveSetup
from ontick.evaluation.verdict import expected_s, reach_verdict
from ontick.models.catalog import EMBEDDED, EMBEDDED_NAME
from ontick.pilots.find import PREFIX, shipped_pilots
from ontick.records import Json, RunWriter

TASKS = ("cartpole", "lunarlander")

SLOW_API = "lognormal:150,0.25"
"""What hosted models took in the CartPole experiment: medians of 129-178 ms end to end, with a tail."""


class Flown(NamedTuple):
    """Who flies, and what delay is put on their answers."""

    controller: str
    delay: str | None = None


ON_EVERY_TASK = (Flown("none"), Flown("random"), Flown("teacher"), Flown("teacher", SLOW_API), Flown(EMBEDDED))

LineUp: TypeAlias = Mapping[str, Sequence[Flown]]
"""Who flies each task, in order."""


def line_up() -> LineUp:
    """Return who flies: the same on every task, and there, last, the same language model with its shipped adapter."""
    shipped = shipped_pilots()
    return {task: (*ON_EVERY_TASK, *(Flown(PREFIX + name) for name in shipped if name == task)) for task in TASKS}


_CURVE_S = 4.0
"""Roughly what a latency curve takes."""


def tell(
    run: Path,
    *,
    episodes: int,
    seed: int,
    flown: LineUp | None = None,
    progress: Progress = silent,
    on_verdict: Callable[[Json], None] = lambda verdict: None,
) -> Json:
    """Fly each task with every controller in real time, and the teacher's latency curves.

    Returns the object that ``demo --json`` prints. ``flown`` is who flies, by default `line_up`.

    Raises:
        OntickError: the folder ``run`` cannot be written, the model is not installed, or a pilot has seen the seeds.
        KeyboardInterrupt: after what was flown has been kept.
    """
    flown = line_up() if flown is None else flown
    setups = [
        Setup(task, controller, episodes=episodes, seed=seed, delay=delay)
        for task, entries in flown.items()
        for controller, delay in entries
    ]
    for setup in setups:
        setup.check()
        if is_pilot_word(setup.controller):
            check_untrained(setup.controller, setup.seeds)
    writer = RunWriter(run, {"verb": "demo", "episodes": episodes, "seed": seed, "flown": flown})
    # The curves first: they keep every core busy, and the clock wants one to itself afterwards.
    curves: list[Json] = []
    verdicts: list[Json] = []
    names = [f"{setup.task} {setup.controller}{' delayed' if setup.delay else ''}" for setup in setups]
    judged_s = [sum(expected_s(setup).values()) for setup in setups]
    phases = Phases(progress, {**dict.fromkeys(flown, _CURVE_S), **dict(zip(names, judged_s, strict=True))})
    try:
        curves.extend(_curve(task, run, phases.of(task)) for task in flown)
        for setup, name in zip(setups, names, strict=True):
            verdicts.append(reach_verdict(setup, run / name.replace(" ", "-"), phases.of(name)).as_json())
            on_verdict(verdicts[-1])
    except KeyboardInterrupt as stop:
        writer.finish({"verdicts": verdicts, "curves": curves, "interrupted": True})
        raise KeyboardInterrupt(f"what was flown is kept and summarised in {run}") from stop
    story = {"verdicts": verdicts, "curves": curves, "run": str(run)}
    writer.finish(story)
    return story


def what_training_did(verdicts: Sequence[Json]) -> list[str]:
    """Say for each task what became of the embedded model by its shipped adapter; nothing where one was not flown."""
    found = {(verdict["task"], verdict["controller"]): verdict for verdict in verdicts if not verdict["delay"]}
    said: list[str] = []
    for task in TASKS:
        before, after = found.get((task, EMBEDDED)), found.get((task, PREFIX + task))
        if before is not None and after is not None:
            said.append(
                f"{task}: {EMBEDDED_NAME} as it comes: {_outcome(before)}; the same model with the adapter that ships "
                f"with Ontick, {PREFIX}{task}: {_outcome(after)}."
            )
    return said


def _outcome(verdict: Json) -> str:
    real, word = verdict["real_time"], verdict["verdict"]
    came_to = {"flies": "it flies", "both": "policy and latency fail"}.get(word, f"the {word} fails")
    return f"{real[real['success']]} of {real['n']} {real['success']} in real time, {came_to}"


def _curve(task: str, run: Path, progress: Progress) -> Json:
    base = Setup(task, "teacher", episodes=EPISODES, clock=ClockName.VIRTUAL)
    return fly_curve(CurveSetup(base), run / f"{task}-curve", progress)
