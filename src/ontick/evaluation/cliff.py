"""How late may an answer be? The latency curve of a controller.

The curve flies the controller under the virtual clock with a constant delay added, for each late rule.
``needs_ms`` is the largest delay at which the success rate is at least 90 % of that at no added delay.
"""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TypeAlias

from ontick.controllers.catalog import SCRIPTED
from ontick.errors import OntickError
from ontick.evaluation.episodes import Prepared, Progress, Setup, prepare, silent
from ontick.evaluation.statistics import bootstrap_ci95
from ontick.late import LateRule
from ontick.latency import LONGEST_MS, Constant
from ontick.provenance import usable_cores
from ontick.records import Episode, Flight, Json, RunWriter
from ontick.tasks.base import Task

DELAY_TICKS = range(16)
"""A curve's delays, unless told otherwise: 0 … 300 ms where a tick is 20 ms."""

EPISODES = 50

KEPT_SUCCESS = 0.9
"""The share of its undelayed success that a controller must keep at a delay for the task to allow that delay."""


@dataclass(frozen=True)
class CurveSetup:
    """What a latency curve is flown with; `base` says the task, controller, seeds and so on."""

    base: Setup
    late_rules: tuple[LateRule, ...] = tuple(LateRule)
    delays_ms: tuple[float, ...] = ()
    """Ascending, from 0; when empty, those of `DELAY_TICKS`."""

    def filled_in(self, task: Task) -> CurveSetup:
        """Return the same with its delays in order and each once.

        Raises:
            OntickError: they do not begin with 0, or one is no number of milliseconds.
        """
        delays = sorted(set(self.delays_ms or (ticks * task.tick_ms for ticks in DELAY_TICKS)))
        if delays[0] != 0 or not delays[-1] <= LONGEST_MS:
            raise OntickError("a latency curve compares with no delay; let --delays begin with 0: --delays 0 20 40")
        return replace(self, delays_ms=tuple(delays))


_Wanted: TypeAlias = tuple[Setup, LateRule, float]


@dataclass(frozen=True)
class Point:
    """One delay under one late rule."""

    late: LateRule
    delay_ms: float
    episodes: tuple[Episode, ...]


def fly_curve(setup: CurveSetup, run: Path, progress: Progress = silent) -> Json:
    """Fly a latency curve, record it in the folder ``run`` and return the object that ``cliff --json`` prints.

    Raises:
        OntickError: the setup is wrong, or the folder cannot be written.
    """
    task = _prepared(setup.base).task  # whatever is wrong with the setup shows before anything is written
    setup = setup.filled_in(task)
    asked = setup.base.as_json()
    del asked["late"]
    writer = RunWriter(run, {"verb": "cliff", **asked, "late_rules": setup.late_rules, "delays_ms": setup.delays_ms})
    points: list[Point] = []
    total = len(setup.late_rules) * len(setup.delays_ms)
    try:
        for point in fly_points(setup):
            points.append(point)
            flights = [Flight(episode, ()) for episode in point.episodes]
            writer.append(*flights, late=point.late, delay_ms=point.delay_ms)
            progress(len(points), total, f"{point.late} at {point.delay_ms:g} ms")
    except KeyboardInterrupt as stop:
        unfinished = describe_curve(task, setup, points)
        del unfinished["needs_ms"]  # the delays that are missing might have been the ones to tell
        writer.finish({**unfinished, "interrupted": True})
        raise KeyboardInterrupt(f"the points flown are kept in {run}") from stop
    curve = describe_curve(task, setup, points)
    writer.finish(curve)
    return {**curve, "run": str(run)}


def describe_curve(task: Task, setup: CurveSetup, points: Sequence[Point]) -> Json:
    """Return the points in order and what each late rule needs."""
    ordered = sorted(points, key=lambda point: (setup.late_rules.index(point.late), point.delay_ms))
    return {
        "task": setup.base.task,
        "controller": setup.base.controller,
        "in_flight": setup.base.in_flight,
        "tick_ms": task.tick_ms,
        "success": task.success,
        "points": [_describe_point(task, point) for point in ordered],
        "needs_ms": {
            rule: needs_ms(task, [point for point in ordered if point.late is rule]) for rule in setup.late_rules
        },
    }


def needs_ms(task: Task, points: Sequence[Point]) -> float | None:
    """Return the largest delay that keeps 90 % of the undelayed success; None when there is none to keep."""
    rates = {point.delay_ms: sum(map(task.succeeded, point.episodes)) / len(point.episodes) for point in points}
    if not rates.get(0):
        return None
    # The bound is met exactly at 45 of 50, so a rounding error must not decide it.
    return max(delay for delay, rate in rates.items() if rate >= KEPT_SUCCESS * rates[0] - 1e-9)


def fly_points(setup: CurveSetup) -> Iterator[Point]:
    """Yield every point once it is flown; there is a process a core, and the results do not depend on how many."""
    # Small delays fly longest, so they go first.
    wanted = [(setup.base, late, delay) for delay in setup.delays_ms for late in setup.late_rules]
    processes = min(usable_cores(), len(wanted))
    if setup.base.controller not in SCRIPTED or processes == 1:
        yield from map(_fly_point, wanted)  # a model has its own threads, and is loaded once
        return
    with _worker_processes(processes) as workers:
        yield from _as_flown(workers, wanted)


def _as_flown(workers: ProcessPoolExecutor, wanted: Sequence[_Wanted]) -> Iterator[Point]:
    """Yield points as the workers finish them; where no worker can be started, fly them in this process."""
    left = set(wanted)
    try:
        flying = {workers.submit(_fly_point, point): point for point in wanted}
        for future in as_completed(flying):
            point = future.result()
            left.remove(flying[future])
            yield point
    except BrokenProcessPool:
        yield from map(_fly_point, [point for point in wanted if point in left])


def _fly_point(wanted: _Wanted) -> Point:
    base, late, delay_ms = wanted
    ready = _prepared(replace(base, late=late))
    controller = ready.dressed(Constant(delay_ms))
    episodes = tuple(ready.fly(controller, seed).episode for seed in base.seeds)
    return Point(late, delay_ms, episodes)


@cache
def _prepared(base: Setup) -> Prepared:
    """Load a setup once in each process."""
    return prepare(base)


def _describe_point(task: Task, point: Point) -> Json:
    rewards = [episode.reward for episode in point.episodes]
    return {
        "late": point.late,
        "delay_ms": point.delay_ms,
        "n": len(rewards),
        "score_mean": sum(rewards) / len(rewards),
        "score_ci95": list(bootstrap_ci95(rewards)),
        **{name: sum(map(counts, point.episodes)) for name, counts in task.measures.items()},
    }


@contextmanager
def _worker_processes(count: int) -> Generator[ProcessPoolExecutor]:
    """Start workers that leave Ctrl-C to this process, and end them with the context, busy or not."""
    others = set(multiprocessing.active_children())
    # An interpreter that is started with the signal ignored keeps ignoring it.
    main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main_thread else None
    try:
        workers = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"))
        for _ in range(count):
            workers.submit(int)  # a process is started when there is work for it
    finally:
        if main_thread:
            signal.signal(signal.SIGINT, handler)
    try:
        yield workers
    finally:
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()
        # Its thread is waited for: left alone it can close a pipe that the interpreter's exit still writes to.
        workers.shutdown(cancel_futures=True)
