"""What was right for an answer that came late? What the labeller wants in the state in which it came to act.

When a flight is over, it is known where every answer landed and what really acted before. An example is the state that
was shown, those actions, and the labeller's action at the landing. Whoever flies is asked under the latency, as in
any flight; or, in a rehearsal, as one would fly who knows what is to come: in the state in which its answer acts.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ontick.clock import ns_from_ms, ns_from_s
from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.pending import Aware, Outlook
from ontick.dead_time import Aim, Awareness, DeadTime, landing_tick
from ontick.errors import OntickError
from ontick.evaluation.episodes import check_in_flight
from ontick.inflight.slots import Slots
from ontick.late import LateRule, Source
from ontick.learning.dataset import Demonstrations, demonstrations
from ontick.learning.flock import Air
from ontick.loop import VirtualTime
from ontick.records import Flight
from ontick.tasks.base import Environment, Task

LATEST_TICKS = 100
"""Two seconds at 50 Hz: what is later than that is of no use for flying, and too much to show."""

Label: TypeAlias = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.int64]]
"""Says which action is right in each of n states, shape (n, features); shape (n,)."""


class Asked(StrEnum):
    """In which state whoever flies is asked."""

    START = "start"
    """In the one that it is shown when its request starts, as in any flight."""
    LANDING = "landing"
    """In the one in which its answer acts, as if it knew what is to come."""


def dead_time_for(task: Task, latency: str | None, in_flight: int, late: LateRule, aim: Aim | None) -> DeadTime | None:
    """Return the dead time that these options ask for; None: without a latency, time is frozen.

    Unless it is said, an answer is aimed under ``noop``, where its one tick must be the right one, and not under
    ``hold``, where what comes sooner is better.

    Raises:
        OntickError: they ask for none that an answer could be in time in, or mean nothing without a latency.
    """
    check_in_flight(in_flight)
    if latency is None:
        if (in_flight, late, aim) != (1, LateRule.HOLD, None):
            raise OntickError(
                "--in-flight, --late and --aim are about late answers; add --latency 150, or leave them out"
            )
        return None
    aim = aim or (Aim.TARGET if late is LateRule.NOOP else Aim.ARRIVAL)
    dead_time = DeadTime.of(latency, in_flight, late, aim)
    spec = task.make().spec
    limit = min((spec and spec.max_episode_steps) or LATEST_TICKS, LATEST_TICKS)
    ticks = landing_tick(0, 0, ns_from_ms(dead_time.target_ms), ns_from_s(task.tick_s))
    if ticks >= limit:
        raise OntickError(
            f"--latency {latency} is up to {ticks} ticks of {task.name}, and no more than {limit - 1} can be learnt "
            "for; give a shorter one"
        )
    return dead_time


def full_outlook(task: Task, dead_time: DeadTime) -> Outlook:
    """Return what keeps all that could be shown under ``dead_time``, and shows nothing."""
    return Outlook(task, Awareness(dead_time, 0, memory=True))


def examples(flight: Flight, outlook: Outlook, label: Label, source: str) -> Demonstrations:
    """Return an example for each answer that acted in a flight; a request whose answer never did gives none."""
    ticks = flight.ticks
    acted = [
        (tick.tick - tick.observation_age_ticks, tick.tick)
        for tick in ticks
        if tick.source is Source.FRESH and tick.observation_age_ticks is not None
    ]
    asked = [request for request, _ in acted]
    landings = [ticks[landing].observation for _, landing in acted]
    width = len(flight.episode.final_observation)
    return demonstrations(
        np.array([ticks[request].observation for request in asked], dtype=np.float32).reshape(-1, width),
        label(np.array(landings, dtype=np.float32).reshape(-1, width)),
        source,
        acted=[ticks[request].action for request in asked],
        seeds=flight.episode.seed,
        ticks=asked,
        pending=[[tick.action for tick in ticks[request:landing]] for request, landing in acted],
        under_way=[_under_way(outlook, request, landing - request) for request, landing in acted],
    )


def _under_way(outlook: Outlook, request: int, count: int) -> list[bool]:
    """Return at which of ``count`` ticks from a request's own on an answer decided that was still to come.

    If it landed later than expected, the ticks after that are as the last: what held then held on.
    """
    found = [expected.action is None for expected in outlook.looks[request].expected[:count]]
    held = outlook.aware.dead_time.late is LateRule.HOLD and bool(found) and found[-1]
    return found + [held] * (count - len(found))


class Rehearsal:
    """Flights of a policy that is asked in the state in which each answer acts.

    An episode is flown twice. First with time frozen: at each tick at which an answer would come to act under the dead
    time, the policy acts on the state there; elsewhere the late rule does. Then under the dead time, its answers being
    those, so that what is shown with each request is what any flight under it shows.
    """

    def __init__(self, task: Task, dead_time: DeadTime, label: Label) -> None:
        self._task = task
        self._dead_time = dead_time
        self._label = label
        self._air = Air.of(dead_time)
        self._said: dict[int, dict[int, int | None]] = {}
        self.first_air = Air(late=dead_time.late)
        """How the first flight is flown."""

    def around(self, policy: Controller) -> Controller:
        """Return what flies first."""
        return _AskedAtLanding(self._task, policy, self._dead_time, self._air, self._said)

    def again(self, flight: Flight, env: Environment) -> tuple[Flight, Outlook]:
        """Fly an episode the second time, in ``env``; return what was shown, too.

        Raises:
            OntickError: it comes out differently.
        """
        seed = flight.episode.seed
        outlook = full_outlook(self._task, self._dead_time)
        script = _Script(self._said.pop(seed), flight, outlook, self._label)
        again = self._air.fly(self._task, env, Aware(script, outlook, plain=True), seed)
        if not _alike(flight, again):
            raise OntickError(
                f"the episode of seed {seed} comes out differently when flown again, so answers cannot be rehearsed; "
                "let everything random in the environment come from its seed"
            )
        return again, outlook


def _alike(one: Flight, other: Flight) -> bool:
    """Say whether two flights did the same and saw the same."""
    return len(one.ticks) == len(other.ticks) and all(
        a.action == b.action and np.array_equal(a.observation, b.observation)
        for a, b in zip(one.ticks, other.ticks, strict=True)
    )


class _AskedAtLanding:
    """Asks ``inner`` at the ticks at which answers would come to act, and keeps what it says by request and seed."""

    def __init__(
        self, task: Task, inner: Controller, dead_time: DeadTime, air: Air, said: dict[int, dict[int, int | None]]
    ) -> None:
        self._inner = inner
        self._air = air
        self._tick = ns_from_s(task.tick_s)
        self._outlook = full_outlook(task, dead_time)
        self._all_said = said

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner``, and one of requests that any action answers."""
        self._inner.reset(seed)
        self._outlook.reset()
        self._said = self._all_said[seed] = {}
        slots, time = Slots(self._air.in_flight, self._tick), VirtualTime(self._air.latency)
        _, self._requests = time.begin(self._any, slots, self._air.in_flight, seed)

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner`` if an answer comes to act now."""
        self._requests.publish(observation.tick, observation.state)
        _, turn = self._requests.collect(observation.tick)
        if not turn.fresh:
            return Decision(None)
        decision = self._inner.decide(observation)
        self._said[turn.newest_used] = decision.action
        return decision

    def _any(self, observation: Observation) -> Decision:
        return self._outlook.ask(observation, lambda _: Decision(0))


class _Script:
    """Answers each request as was said when its answer came to act; one that never came to, with what was right."""

    def __init__(self, said: dict[int, int | None], flight: Flight, outlook: Outlook, label: Label) -> None:
        self._said = said
        self._flight = flight
        self._outlook = outlook
        self._label = label

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def decide(self, observation: Observation) -> Decision:
        """Answer by the script."""
        if observation.tick in self._said:
            return Decision(self._said[observation.tick])
        ticks = self._flight.ticks
        landing = ticks[min(self._outlook.looks[observation.tick].lands, len(ticks) - 1)]
        return Decision(int(self._label(np.array([landing.observation], dtype=np.float32))[0]))
