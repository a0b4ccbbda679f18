"""How are the points of latency curves flown, on every core? Each is a delay under a late rule, asked in one way."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeAlias

from ontick.clock import ns_from_s
from ontick.controllers.catalog import SCRIPTED
from ontick.controllers.prediction import Predict
from ontick.errors import OntickError
from ontick.evaluation.beforehand import with_delay
from ontick.evaluation.episodes import Prepared, Setup, prepare
from ontick.evaluation.summary import describe_usage
from ontick.evaluation.ways import WAYS, Pace, Way, find_way
from ontick.late import LateRule
from ontick.latency import LONGEST_MS, Constant
from ontick.provenance import usable_cores
from ontick.records import Episode, Json
from ontick.tasks.base import Task

DELAY_TICKS = range(16)
"""A curve's delays, unless told otherwise: 0 … 300 ms where a tick is 20 ms."""

WAYS_DELAY_TICKS = range(31)
"""The same where ways of asking are compared: prediction moves the cliff beyond 300 ms."""

EPISODES = 50

ALL_WAYS = "all"


@dataclass(frozen=True)
class CurveSetup:
    """What a latency curve is flown with; `base` says the task, controller, seeds and so on."""

    base: Setup
    late_rules: tuple[LateRule, ...] = tuple(LateRule)
    delays_ms: tuple[float, ...] = ()
    """Ascending, from 0; when empty, those of `DELAY_TICKS` or `WAYS_DELAY_TICKS`."""
    ways: tuple[str, ...] = ()
    """Of asking: their names, or `ALL_WAYS`. When empty there is one, which ``base`` describes."""

    def filled_in(self, task: Task) -> CurveSetup:
        """Return the same with its delays in order and each once.

        Raises:
            OntickError: they do not begin with 0, or one is no number of milliseconds.
        """
        usual = WAYS_DELAY_TICKS if self.ways else DELAY_TICKS
        delays = sorted(set(self.delays_ms or (ticks * task.tick_ms for ticks in usual)))
        if delays[0] != 0 or not delays[-1] <= LONGEST_MS:
            raise OntickError("a latency curve compares with no delay; let --delays begin with 0: --delays 0 20 40")
        return replace(self, delays_ms=tuple(delays))


@dataclass(frozen=True)
class Point:
    """One delay under one late rule, asked in one way."""

    late: LateRule
    delay_ms: float
    episodes: tuple[Episode, ...]
    way: Way | None = None
    """None: as the curve's setup says."""
    usage: Json = field(default_factory=dict[str, Any])
    """What was asked and what it cost: the ``usage`` of a summary."""


_Wanted: TypeAlias = tuple[Setup, LateRule, float, Way | None]


@cache
def prepared_once(base: Setup) -> Prepared:
    """Load a setup once in each process."""
    return prepare(base)


def with_possible_ways(setup: CurveSetup) -> tuple[CurveSetup, dict[str, str]]:
    """Return a filled-in setup with the names of the ways that can be flown, and why others of `ALL_WAYS` cannot.

    Raises:
        OntickError: a way asked for by its name is unknown, or cannot be flown.
    """
    longest = setup.delays_ms[-1]
    possible: list[str] = []
    left_out: dict[str, str] = {}
    for name in WAYS if ALL_WAYS in setup.ways else dict.fromkeys(setup.ways):
        try:
            way = find_way(name, setup.base, _paces(setup)[longest])
            prepare(way.on(setup.base), prepared_once(setup.base)).dressed(Constant(longest))
        except OntickError as error:
            if ALL_WAYS not in setup.ways:
                raise
            left_out[name] = str(error)
        else:
            possible.append(name)
    return replace(setup, ways=tuple(possible)), left_out


def fly_points(setup: CurveSetup) -> Iterator[Point]:
    """Yield every point once it is flown; there is a process a core, and the results do not depend on how many."""
    wanted = _wanted(setup)
    processes = min(usable_cores(), len(wanted))
    if setup.base.controller not in SCRIPTED or processes == 1:
        yield from map(_fly_point, wanted)  # a model has its own threads, and is loaded once
        return
    with _worker_processes(processes) as workers:
        yield from _as_flown(workers, wanted)


def _wanted(setup: CurveSetup) -> list[_Wanted]:
    """Return what is to be flown, what takes longest first: foreseeing for many requests, then small delays."""
    base, rules = setup.base, setup.late_rules
    if not setup.ways:
        return [(base, late, delay, None) for delay in setup.delays_ms for late in rules]
    ways = [(delay, find_way(name, base, pace)) for name in setup.ways for delay, pace in _paces(setup).items()]
    ways.sort(key=lambda found: (found[1].predict is Predict.OFF, -found[1].in_flight, found[0]))
    return [(base, late, delay, way) for delay, way in ways for late in rules]


@cache
def _paces(setup: CurveSetup) -> dict[float, Pace]:
    """Return how fast answers come at each delay."""
    ready, spacing = prepared_once(setup.base), setup.base.spacing
    own, tick = ready.own_latencies(), ns_from_s(ready.task.tick_s)
    return {delay: Pace.of(with_delay(own, Constant(delay)), tick, spacing) for delay in setup.delays_ms}


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
    base, late, delay_ms, way = wanted
    setup = replace(base, late=late)
    ready = prepare(setup if way is None else way.on(setup), prepared_once(base))
    controller = ready.dressed(Constant(delay_ms))
    flights = [ready.fly(controller, seed) for seed in base.seeds]
    usage = describe_usage(ready.task, flights, base.asking.model.price)
    return Point(late, delay_ms, tuple(flight.episode for flight in flights), way, usage)


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
