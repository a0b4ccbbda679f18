"""When the controller starts, on what, and when its answers arrive: the worked trace, and a slow retelling."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.clock import NS_PER_MS, VirtualClock, ns_from_ms
from ontick.controllers.base import Decision, Observation
from ontick.errors import OntickError
from ontick.inflight import Slots, ThreadedRequests, asking
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


@given(latencies, st.integers(1, 5), st.booleans())
def test_the_loop_does_what_the_slow_retelling_says(latency_ms: list[int], in_flight: int, hold: bool) -> None:
    task = CountingTask(length=40)
    env, world = task.make(), Counting(40)
    told = tell(
        lambda: world.reset()[0],
        lambda action: (lambda step: (step[0], step[2]))(world.step(action)),
        parity,
        lambda observation: latency_ms[observation],
        tick_ms=20,
        in_flight=in_flight,
        hold=hold,
        noop=task.noop,
        initial=task.initial_action,
    )
    policy = Policy(parity)
    replay = Replay({observation: ns_from_ms(ms) for observation, ms in enumerate(latency_ms)})
    late = LateRule.HOLD if hold else LateRule.NOOP
    flight = fly(task, env, policy, VirtualTime(replay), late=late, seed=0, in_flight=in_flight)
    assert schedule(flight) == told.ticks
    assert [observation.tick for observation in policy.seen] == [request.observation for request in told.requests]
    assert flight.episode.stale_answers == told.dropped
    starts = {a.observation_tick: a.started_ms for t in flight.ticks for a in t.answers}
    assert all(starts.get(request.observation, request.starts) == request.starts for request in told.requests)


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
        start = slots.next()
        assert start is not None
        assert start.observation_tick > before
        assert start.at >= (start.observation_tick - 1) * 20 * MS
        open_until = [arrives for arrives in open_until if arrives > start.at]
        assert len(open_until) < n
        slots.take(start)
        slots.release(start.at + latency_ms * MS)
        open_until.append(start.at + latency_ms * MS)
        before = start.observation_tick


def test_every_slot_busy_starts_nothing() -> None:
    slots = Slots(1, 20 * MS)
    start = slots.next()
    assert start is not None
    slots.take(start)
    assert slots.next() is None


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

    clock = VirtualClock(starts_at=0)
    with ThreadedRequests(asking(Policy(fail), 3), Slots(1, 20 * MS), clock, 1) as requests:
        requests.publish(0, CountingTask().make().reset()[0])
        for thread in threading.enumerate():
            if thread.name.startswith("controller"):
                thread.join(5)
        with pytest.raises(OntickError, match="boom"):
            requests.collect(0)
