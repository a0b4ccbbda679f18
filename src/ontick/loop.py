"""Flying one episode: clock x environment x controller x late rule -> ticks.

The same loop under both clocks. The world ticks at ``k * tick`` and never waits; at each tick the answers
that have arrived are collected, the late rule picks the action, the environment steps, and its new
observation is published at once. docs/timing.md is the whole of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from ontick.clock import NS_PER_MS, Clock, Nanoseconds, VirtualClock, WallClock, no_collection, ns_from_s, punctual
from ontick.controllers.base import Controller
from ontick.errors import OntickError
from ontick.inflight.legal import Ask, asking
from ontick.inflight.requests import Requests, SimulatedRequests, ThreadedRequests
from ontick.inflight.slots import Slots
from ontick.late import LateRule, RuleSwitch, Source, apply_rule
from ontick.latency import LatencyModel
from ontick.records import INTERRUPTED, AnswerRecord, Episode, Flight, State, Tick
from ontick.tasks.base import Ending, Environment, Task


class Time(Protocol):
    """Which time an episode is flown in: makes its clock, and its requests by that clock."""

    def punctual(self) -> AbstractContextManager[None]:
        """Return the conditions to fly under."""
        ...

    def begin(self, ask: Ask, slots: Slots, in_flight: int, seed: int) -> tuple[Clock, Requests]:
        """Start the episode's clock one tick before tick 0."""
        ...


@dataclass(frozen=True)
class WallTime:
    """Real time: latencies are what they are."""

    def punctual(self) -> AbstractContextManager[None]:
        """Keep the interpreter's pauses away from the ticks."""
        return punctual()

    def begin(self, ask: Ask, slots: Slots, in_flight: int, seed: int) -> tuple[Clock, Requests]:
        """Start the real clock."""
        clock = WallClock(starts_at=-slots.tick)
        return clock, ThreadedRequests(ask, slots, clock, in_flight)


@dataclass(frozen=True)
class VirtualTime:
    """Simulated time: no waiting, latencies from a model."""

    latency: LatencyModel

    def punctual(self) -> AbstractContextManager[None]:
        """Collect no garbage meanwhile: flying makes none, and looking for it costs half a microsecond a tick."""
        return no_collection()

    def begin(self, ask: Ask, slots: Slots, in_flight: int, seed: int) -> tuple[Clock, Requests]:
        """Start the simulated clock."""
        return VirtualClock(starts_at=-slots.tick), SimulatedRequests(ask, slots, self.latency.stream(seed))


Observer: TypeAlias = Callable[[Tick], None]
"""Someone who watches a flight, told of every tick once it is flown; must return at once."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C in mid-flight; carries what was flown of the episode."""

    def __init__(self, flight: Flight) -> None:
        super().__init__()
        self.flight = flight


def fly(
    task: Task,
    env: Environment,
    controller: Controller,
    time: Time,
    *,
    late: LateRule | RuleSwitch,
    seed: int,
    in_flight: int = 1,
    spacing: Nanoseconds = 0,
    observers: Sequence[Observer] = (),
) -> Flight:
    """Fly one episode of ``task`` in ``env``, from its reset with ``seed`` to its end.

    A ``late`` rule in a switch may be changed meanwhile. At most ``in_flight`` requests are open at once, and
    ``spacing`` lies between the starts of two.

    Raises:
        Interrupted: the user pressed Ctrl-C.
    """
    tick_ns = ns_from_s(task.tick_s)
    world = _World(env, seed)
    scenery = tuple(task.scenery(env))
    switch = late if isinstance(late, RuleSwitch) else RuleSwitch(late)
    controller.reset(seed)
    ticks: list[Tick] = []
    uncollected: list[AnswerRecord] = []
    stale = 0
    try:
        with time.punctual():
            slots = Slots(in_flight, tick_ns, spacing)
            clock, requests = time.begin(asking(controller, len(task.actions)), slots, in_flight, seed)
            try:
                with requests:
                    for tick in _run(task, world, clock, requests, switch, tick_ns):
                        ticks.append(tick)
                        for observer in observers:
                            observer(tick)
            finally:
                stale = requests.stale
            uncollected = requests.uncollected()
    except KeyboardInterrupt as interrupt:
        raise Interrupted(_flight(task, seed, scenery, ticks, world, stale, uncollected)) from interrupt
    return _flight(task, seed, scenery, ticks, world, stale, uncollected)


class _World:
    """An environment in the middle of an episode."""

    __slots__ = ("_env", "ended", "state", "truncated")

    def __init__(self, env: Environment, seed: int) -> None:
        self._env = env
        self.state = _frozen(env.reset(seed=seed)[0])
        self.ended = self.truncated = False

    def step(self, action: int) -> float:
        """Apply an action; return the reward."""
        observation, reward, terminated, self.truncated, _ = self._env.step(action)
        self.state = _frozen(observation)
        self.ended = terminated or self.truncated
        return float(reward)


def _run(
    task: Task, world: _World, clock: Clock, requests: Requests, late: RuleSwitch, tick_ns: Nanoseconds
) -> Iterator[Tick]:
    """Run the world from its reset to the end of the episode, one step a tick."""
    initial, noop = task.initial_action, task.noop
    requests.publish(0, world.state)
    for k in itertools.count():
        if world.ended:
            return
        due = k * tick_ns
        lateness = clock.sleep_until(due) - due
        answers, turn = requests.collect(k)
        action, source, observation_tick = apply_rule(late.rule, turn, initial, noop)
        state = world.state
        reward = world.step(action)
        if not world.ended:
            requests.publish(k + 1, world.state)
        if not math.isfinite(reward):
            raise OntickError(f"{task.env_id} gave the reward {reward} at tick {k}; mend the environment")
        age_ticks = None if observation_tick is None else k - observation_tick
        yield Tick(k, due / NS_PER_MS, lateness / NS_PER_MS, state, action, source, age_ticks, reward, answers)


def _frozen(observation: State) -> State:
    """Copy an observation: environments reuse theirs, and nothing may write into what has been published."""
    state = np.array(observation)
    state.setflags(write=False)
    return state


def _flight(
    task: Task,
    seed: int,
    scenery: tuple[float, ...],
    ticks: list[Tick],
    world: _World,
    stale: int,
    uncollected: list[AnswerRecord],
) -> Flight:
    """Sum an episode up: everything but its end follows from its ticks."""
    reward = math.fsum([tick.reward for tick in ticks])
    sources = [tick.source for tick in ticks]
    fresh_ticks, planned_ticks = sources.count(Source.FRESH), sources.count(Source.PLANNED)
    tick_ms = task.tick_ms
    outcome = INTERRUPTED
    if world.ended:
        outcome = str(task.outcome(Ending(len(ticks), reward, world.state, bool(world.truncated))))
    episode = Episode(
        seed=seed,
        steps=len(ticks),
        reward=reward,
        outcome=outcome,
        fresh_ticks=fresh_ticks,
        late_ticks=len(ticks) - fresh_ticks - planned_ticks,
        stale_answers=stale,
        invalid_answers=len([answer for tick in ticks for answer in tick.answers if not answer.valid]),
        planned_ticks=planned_ticks,
        overrun_ticks=len([tick for tick in ticks if tick.lateness_ms >= tick_ms]),
        final_observation=tuple(world.state.tolist()),
        scenery=scenery,
        uncollected=tuple(uncollected),
    )
    return Flight(episode, ticks)
