"""How late may an answer be? The latency curve of a controller.

The curve flies the controller under the virtual clock with a constant delay added, for each late rule, and where
several ways of asking are compared (`ontick.evaluation.ways`) in each of those.
``needs_ms`` is the largest delay at which the success rate is at least 90 % of that at no added delay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ontick.evaluation.episodes import Progress, silent
from ontick.evaluation.points import CurveSetup, Point, fly_points, prepared_once, with_possible_ways
from ontick.evaluation.statistics import bootstrap_ci95
from ontick.late import LateRule
from ontick.records import Flight, Json, RunWriter
from ontick.tasks.base import Task

KEPT_SUCCESS = 0.9
"""The share of its undelayed success that a controller must keep at a delay for the task to allow that delay."""


def fly_curve(setup: CurveSetup, run: Path, progress: Progress = silent) -> Json:
    """Fly a latency curve, record it in the folder ``run`` and return the object that ``cliff --json`` prints.

    Of `ALL_WAYS` those are left out that this controller or task cannot be asked in.

    Raises:
        OntickError: the setup is wrong, or the folder cannot be written.
    """
    task = prepared_once(setup.base).task  # whatever is wrong with the setup shows before anything is written
    setup, left_out = with_possible_ways(setup.filled_in(task))
    asked = setup.base.as_json()
    del asked["late"]
    ways = {"ways": setup.ways} if setup.ways else {}
    curves = {"late_rules": setup.late_rules, "delays_ms": setup.delays_ms, **ways}
    writer = RunWriter(run, {"verb": "cliff", **asked, **curves})
    points: list[Point] = []
    total = len(setup.late_rules) * len(setup.delays_ms) * max(1, len(setup.ways))
    try:
        for point in fly_points(setup):
            points.append(point)
            flights = [Flight(episode, ()) for episode in point.episodes]
            way = {} if point.way is None else {"way": point.way.name}
            writer.append(*flights, late=point.late, delay_ms=point.delay_ms, **way)
            progress(len(points), total, " ".join([*way.values(), f"{point.late} at {point.delay_ms:g} ms"]))
    except KeyboardInterrupt as stop:
        unfinished = describe_curve(task, setup, points)
        del unfinished["needs_ms"]  # the delays that are missing might have been the ones to tell
        unfinished.pop("ways", None)
        writer.finish({**unfinished, "interrupted": True})
        raise KeyboardInterrupt(f"the points flown are kept in {run}") from stop
    curve = describe_curve(task, setup, points) | ({"left_out": left_out} if setup.ways else {})
    writer.finish(curve)
    return {**curve, "run": str(run)}


def describe_curve(task: Task, setup: CurveSetup, points: Sequence[Point]) -> Json:
    """Return the points in order and what each late rule needs, in each way; ``needs_ms`` is that of the first way."""
    names = setup.ways or (None,)
    ordered = sorted(
        points,
        key=lambda point: (names.index(_name(point)), setup.late_rules.index(point.late), point.delay_ms),
    )
    lines = {
        name: {rule: [p for p in ordered if p.late is rule and _name(p) == name] for rule in setup.late_rules}
        for name in names
    }
    return {
        "task": setup.base.task,
        "controller": setup.base.controller,
        "in_flight": setup.base.in_flight,
        "tick_ms": task.tick_ms,
        "success": task.success,
        "points": [_describe_point(task, point) for point in ordered],
        "needs_ms": {rule: needs_ms(task, line) for rule, line in lines[names[0]].items()},
        **({"ways": {name: _describe_way(task, lines[name]) for name in names}} if setup.ways else {}),
    }


def _name(point: Point) -> str | None:
    return point.way and point.way.name


def _describe_way(task: Task, lines: Mapping[LateRule, Sequence[Point]]) -> Json:
    """Return for each late rule what a way of asking allows, and what it takes at that delay."""
    needs = {rule: needs_ms(task, line) for rule, line in lines.items()}
    there: dict[LateRule, Json] = {}
    for rule, line in lines.items():
        at_needs = [point for point in line if point.delay_ms == needs[rule]]
        there[rule] = _describe_asking(at_needs[0]) if at_needs else {}
    told = ("in_flight", "chunk", "requests_per_second", "usd_per_hour")
    return {"needs_ms": needs, **{key: {rule: asked.get(key) for rule, asked in there.items()} for key in told}}


def _describe_asking(point: Point) -> Json:
    """Return how a point was asked, and how often in an episode's time."""
    if point.way is None:
        return {}
    requests, rate, usd = (point.usage[key] for key in ("requests", "requests_per_second", "usd"))
    return {
        "way": point.way.name,
        "in_flight": point.way.in_flight,
        "chunk": point.way.chunk,
        "predict": point.way.predict,
        "requests_per_second": rate,
        "usd_per_hour": usd / requests * rate * 3600 if usd is not None else None,
    }


def needs_ms(task: Task, points: Sequence[Point]) -> float | None:
    """Return the largest delay that keeps 90 % of the undelayed success; None when there is none to keep."""
    rates = {point.delay_ms: sum(map(task.succeeded, point.episodes)) / len(point.episodes) for point in points}
    if not rates.get(0):
        return None
    # The bound is met exactly at 45 of 50, so a rounding error must not decide it.
    return max(delay for delay, rate in rates.items() if rate >= KEPT_SUCCESS * rates[0] - 1e-9)


def _describe_point(task: Task, point: Point) -> Json:
    rewards = [episode.reward for episode in point.episodes]
    return {
        "late": point.late,
        "delay_ms": point.delay_ms,
        **_describe_asking(point),
        "n": len(rewards),
        "score_mean": sum(rewards) / len(rewards),
        "score_ci95": list(bootstrap_ci95(rewards)),
        **{name: sum(map(counts, point.episodes)) for name, counts in task.measures.items()},
    }
