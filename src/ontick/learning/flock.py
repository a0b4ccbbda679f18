"""How do many episodes fly at once, so that a policy reads all their states together?

Every episode is flown by the one loop, in simulated time, in a thread of its own. A decision waits until every
episode still flying has asked; then one reading answers them all. The flights are those of one after another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.pending import Aware, Outlook
from ontick.dead_time import Awareness, DeadTime
from ontick.evaluation.episodes import Progress, silent
from ontick.late import LateRule
from ontick.latency import Constant, LatencyModel
from ontick.loop import VirtualTime, fly
from ontick.records import Flight, State
from ontick.tasks.base import Environment, Task

MOST_TOGETHER = 64
"""Episodes flown at once; each is a thread."""

Dress: TypeAlias = Callable[[Controller], Controller]
"""Puts something around each episode's controller: noise, say."""


class ManyPolicy(Protocol):
    """A policy that answers many states at once."""

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        """Return an action for each of ``states``, shape (n, features).

        A policy that is made for its dead time is shown rows, shape (n, features + pending): see
        `ontick.controllers.pending`.
        """
        ...


@dataclass(frozen=True)
class Air:
    """How late answers are, how they are asked for, and what acts meanwhile."""

    latency: LatencyModel = field(default_factory=lambda: Constant(0))
    in_flight: int = 1
    late: LateRule = LateRule.HOLD

    @staticmethod
    def of(dead_time: DeadTime | None) -> Air:
        """Return what ``dead_time`` is the dead time of; None: time is frozen.

        Raises:
            OntickError: its latencies are in a file that is not there any more.
        """
        return Air() if dead_time is None else Air(dead_time.model, dead_time.in_flight, dead_time.late)

    def fly(self, task: Task, env: Environment, controller: Controller, seed: int) -> Flight:
        """Fly one episode in it."""
        time = VirtualTime(self.latency)
        return fly(task, env, controller, time, late=self.late, seed=seed, in_flight=self.in_flight)


FROZEN = Air()


def fly_together(
    task: Task,
    policy: ManyPolicy,
    seeds: Sequence[int],
    *,
    dress: Dress | None = None,
    make: Callable[[], Environment] | None = None,
    aware: Awareness | None = None,
    air: Air | None = None,
    progress: Progress = silent,
) -> list[Flight]:
    """Fly one episode for each seed; return them in the order of the seeds.

    Args:
        task: what is flown.
        policy: who flies.
        seeds: of the episodes.
        dress: what is put around each episode's controller.
        make: gives each episode its environment; by default the task does.
        aware: what a policy that is made for its dead time is shown.
        air: what is flown in; by default that dead time, and for other policies time is frozen.
        progress: told of each group.

    Raises:
        OntickError: the policy or the environment failed.
        KeyboardInterrupt: the user pressed Ctrl-C.
    """
    flights: list[Flight] = []
    air = air or Air.of(None if aware is None else aware.dead_time)

    def dressed(seat: Controller) -> Controller:
        controller = seat if dress is None else dress(seat)
        return controller if aware is None else Aware(controller, Outlook(task, aware))

    for group in fly_in_groups(task, policy, seeds, dress=dressed, make=make, air=air):
        flights += group
        progress(len(flights), len(seeds), f"{flights[-1].episode.outcome} after {flights[-1].episode.steps} steps")
    return flights


def fly_in_groups(
    task: Task,
    policy: ManyPolicy,
    seeds: Sequence[int],
    *,
    dress: Dress | None = None,
    make: Callable[[], Environment] | None = None,
    air: Air = FROZEN,
) -> Iterator[list[Flight]]:
    """Yield flights in ``air`` group by group, as many as there may be at once, in the order of the seeds."""
    for first in range(0, len(seeds), MOST_TOGETHER):
        yield _fly_group(task, policy, seeds[first : first + MOST_TOGETHER], dress, make or task.make, air)


def _fly_group(
    task: Task,
    policy: ManyPolicy,
    seeds: Sequence[int],
    dress: Dress | None,
    make: Callable[[], Environment],
    air: Air,
) -> list[Flight]:
    table = _Table(policy, len(seeds))
    flown: dict[int, Flight] = {}

    def fly_one(place: int) -> None:
        try:
            seat: Controller = _Seat(table)
            controller = seat if dress is None else dress(seat)
            flown[place] = air.fly(task, make(), controller, seeds[place])
        except BaseException as error:
            table.give_up(error)
        finally:
            table.leave()

    threads = [threading.Thread(target=fly_one, args=(place,), daemon=True) for place in range(len(seeds))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt as stop:
        table.give_up(stop)
        raise
    if table.failure is not None:
        raise table.failure
    return [flown[place] for place in range(len(seeds))]


class _Table:
    """Where the episodes' questions meet; whoever asks last has all of them answered."""

    def __init__(self, policy: ManyPolicy, seats: int) -> None:
        self.failure: BaseException | None = None
        self._policy = policy
        self._seated = seats
        self._asked: list[tuple[_Seat, State]] = []
        self._turn = threading.Condition()

    def ask(self, seat: _Seat, state: State) -> int:
        with self._turn:
            seat.answer = None
            self._asked.append((seat, state))
            self._answer_if_all_have_asked()
            self._turn.wait_for(lambda: seat.answer is not None or self.failure is not None)
            if seat.answer is None:
                raise _Stopped
            return seat.answer

    def leave(self) -> None:
        with self._turn:
            self._seated -= 1
            self._answer_if_all_have_asked()

    def give_up(self, error: BaseException) -> None:
        with self._turn:
            if not isinstance(error, _Stopped):
                self.failure = self.failure or error
            self._turn.notify_all()

    def _answer_if_all_have_asked(self) -> None:
        if not self._asked or len(self._asked) < self._seated or self.failure is not None:
            return
        asked, self._asked = self._asked, []
        try:
            answers = self._policy.decide_many(np.array([state for _, state in asked], dtype=np.float32))
            for (seat, _), answer in zip(asked, answers, strict=True):
                seat.answer = int(answer)
        except BaseException as error:
            self.failure = error
        self._turn.notify_all()


class _Seat:
    """One episode's place at the table: a controller."""

    def __init__(self, table: _Table) -> None:
        self.answer: int | None = None
        self._table = table

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def decide(self, observation: Observation) -> Decision:
        """Ask, and wait for the answer."""
        return Decision(self._table.ask(self, observation.state))


class _Stopped(Exception):  # noqa: N818 - another episode failed, which is no fault of this one
    """The flying has been given up."""
