"""When the controller starts, on what, and when its answers arrive: the worked trace, and a slow retelling."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.clock import NS_PER_MS, WallClock, ns_from_ms
from ontick.controllers.base import REMEMBERED_LATENCIES, Decision, Observation
from ontick.errors import OntickError
from ontick.inflight.legal import asking
from ontick.inflight.mailbox import Mailbox
from ontick.inflight.requests import ThreadedRequests
from ontick.inflight.slots import Slots, Start
from ontick.late import LateRule
from ontick.latency import Constant, Replay
from ontick.loop import VirtualTime, fly
from reference import tell
from worlds import Counting, CountingTask, Policy, parity, schedule

MS = NS_PER_MS


def test_the_worked_trace() -> None:
    task = CountingTask(length=7)
    policy = Policy(parity)
    flight = fly(task, task.make(), policy, VirtualTime(Constant(30)), late=LateRule.HOLD, seed=0)
    arrived = [(a.started_ms, a.observation_tick, a.started_ms + a.latency_ms) for t in flight.ticks for a in t.answers]
    assert arrived == [(-20, 0, 10), (10, 1, 40), (40, 3, 70), (70, 4, 100)]
    assert {tick.tick: tick.tick - (tick.observation_age_ticks or 0) for tick in flight.ticks if tick.answers} == {
        1: 0,
        2: 1,
        4: 3,
        5: 4,
    }
    assert [tick.source for tick in flight.ticks][:6] == ["held", "fresh", "fresh", "held", "fresh", "fresh"]


latencies = st.lists(st.integers(0, 130), min_size=60, max_size=60)
plans = st.lists(st.tuples(st.integers(1, 6), st.none() | st.integers(-2, 9)), min_size=60, max_size=60)
"""For each observation how many actions are answered, and from how many ticks after it on; None: not said."""


class Planner(Policy):
    """Answers the observation o[k] with the plan that is laid down for it: k, k + 1, k + 2, ... modulo 3."""

    def __init__(self, laid_down: list[tuple[int, int | None]]) -> None:
        super().__init__(parity)
        self.laid_down = laid_down

    def plan(self, k: int) -> tuple[list[int], int | None]:
        length, ahead = self.laid_down[k]
        return [(k + n) % 3 for n in range(length)], None if ahead is None else k + ahead

    def decide(self, observation: Observation) -> Decision:
        self.seen.append(observation)
        (first, *then), at_tick = self.plan(observation.tick)
        return Decision(first, then=tuple(then), at_tick=at_tick)


@given(latencies, plans, st.integers(1, 5), st.booleans(), st.sampled_from([0, 0, 35, 50]))
def test_the_loop_does_what_the_slow_retelling_says(
    latency_ms: list[int], laid_down: list[tuple[int, int | None]], in_flight: int, hold: bool, spacing_ms: int
) -> None:
    task = CountingTask(length=40)
    env, world = task.make(), Counting(40)
    planner = Planner(laid_down)

    def answer(k: int, state: object) -> tuple[list[int], int]:
        actions, begins = planner.plan(k)
        return actions, k if begins is None else begins

    told = tell(
        lambda: world.reset()[0],
        lambda action: (lambda step: (step[0], step[2]))(world.step(action)),
        answer,
        lambda observation: latency_ms[observation],
        tick_ms=20,
        in_flight=in_flight,
        hold=hold,
        noop=task.noop,
        initial=task.initial_action,
        spacing_ms=spacing_ms,
    )
    replay = Replay({observation: ns_from_ms(ms) for observation, ms in enumerate(latency_ms)})
    late = LateRule.HOLD if hold else LateRule.NOOP
    flight = fly(
        task,
        env,
        planner,
        VirtualTime(replay),
        late=late,
        seed=0,
        in_flight=in_flight,
        spacing=spacing_ms * MS,
    )
    assert schedule(flight) == told.ticks
    assert [observation.tick for observation in planner.seen] == [request.observation for request in told.requests]
    assert flight.episode.stale_answers == told.dropped
    for shown, request in zip(planner.seen, told.requests, strict=True):
        assert shown.started == request.starts * MS
        assert list(shown.promised) == request.known[: len(shown.promised)]
        assert not any(action is not None for action in request.known[len(shown.promised) :])
        assert [(other.tick, other.started // MS) for other in shown.open] == request.others
        assert sorted(shown.latencies) == sorted(ms * MS for ms in request.before[-REMEMBERED_LATENCIES:])
        acted = [tick.action for tick in flight.ticks[: shown.tick] if tick.source in ("fresh", "planned")]
        assert shown.last_action == (acted[-1] if acted else None)


@given(latencies, st.integers(1, 4))
def test_a_promise_is_collected_at_its_tick_and_kept_unless_a_newer_answer_comes(
    latency_ms: list[int], in_flight: int
) -> None:
    task = CountingTask(length=40)
    policy = Policy(parity)
    replay = Replay({observation: ns_from_ms(ms) for observation, ms in enumerate(latency_ms)})
    flight = fly(task, task.make(), policy, VirtualTime(replay), late=LateRule.HOLD, seed=0, in_flight=in_flight)
    for seen in policy.seen:
        if not seen.promised:
            continue
        tick = flight.ticks[seen.tick]
        arrived = {answer.observation_tick: answer.action for answer in tick.answers}
        promised = [observation for observation, action in arrived.items() if action == seen.promised[0]]
        assert promised
        assert tick.source == "fresh"
        assert tick.action == arrived[max(arrived)]


@given(st.integers(1, 6), st.lists(st.integers(0, 300), min_size=1, max_size=80))
def test_no_observation_is_asked_about_twice_and_never_more_than_in_flight_are_open(n: int, ms: list[int]) -> None:
    slots = Slots(n, 20 * MS)
    open_until: list[int] = []
    before = -1
    for latency_ms in ms:
        start = slots.take(newest=10**6)
        assert start is not None
        assert start.observation_tick > before
        assert start.at >= (start.observation_tick - 1) * 20 * MS
        open_until = [arrives for arrives in open_until if arrives > start.at]
        assert len(open_until) < n
        slots.release(start.at + latency_ms * MS)
        open_until.append(start.at + latency_ms * MS)
        before = start.observation_tick


def test_of_answers_that_arrive_together_the_older_observations_comes_first() -> None:
    mailbox = Mailbox(20 * MS)
    for observation_tick, arrived in ((2, 50 * MS), (1, 50 * MS), (0, 60 * MS), (3, 40 * MS)):
        published = (observation_tick - 1) * 20 * MS
        mailbox.put(Start(observation_tick, published, published), Decision(0), arrived)
    arrived, turn = mailbox.collect(0)
    assert not arrived
    assert turn.action is None
    for tick in (1, 2):
        mailbox.collect(tick)
    arrived, turn = mailbox.collect(3)
    assert [answer.observation_tick for answer in arrived] == [1, 2, 0]
    assert turn.newest_used == 3


def test_every_slot_busy_starts_nothing() -> None:
    slots = Slots(1, 20 * MS)
    assert slots.take(newest=0) is not None
    assert slots.take(newest=10**6) is None


@pytest.mark.parametrize("action", [-1, 3, 99, True + 5, "left", 1.5])
def test_an_illegal_answer_is_invalid_or_an_error_but_never_applied(action: object) -> None:
    class Wrong(Policy):
        def decide(self, observation: Observation) -> Decision:
            return Decision(action)  # pyright: ignore[reportArgumentType]

    ask = asking(Wrong(parity), actions=3)
    shown = Observation(CountingTask().make().reset()[0], 0)
    if isinstance(action, int):
        assert ask(shown) == Decision(None, valid=False)
    else:
        with pytest.raises(OntickError, match="the controller failed"):
            ask(shown)


def test_a_controllers_error_reaches_the_loop_from_its_thread() -> None:
    def fail(state: object) -> int:
        raise ZeroDivisionError("boom")

    clock = WallClock(starts_at=0)
    with ThreadedRequests(asking(Policy(fail), 3), Slots(1, 20 * MS), clock, 1) as requests:
        requests.publish(0, CountingTask().make().reset()[0])
        for thread in threading.enumerate():
            if thread.name.startswith("controller"):
                thread.join(5)
        with pytest.raises(OntickError, match="boom"):
            requests.collect(0)
