"""Laws of flying an episode, under both clocks."""

from __future__ import annotations

import itertools
import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontick.clock import ns_from_ms
from ontick.controllers.base import Decision, Observation
from ontick.controllers.scripted import Teacher
from ontick.controllers.wrappers import Delayed
from ontick.errors import OntickError
from ontick.late import LateRule, RuleSwitch, Source
from ontick.latency import Constant, LatencyModel, Lognormal, Replay
from ontick.loop import Interrupted, VirtualTime, WallTime, fly
from ontick.records import INTERRUPTED, Flight, Tick
from ontick.tasks import find_task
from worlds import Counting, CountingTask, Policy, parity, schedule

TASKS = {name: find_task(name) for name in ("cartpole", "lunarlander")}
ENVS = {name: task.make() for name, task in TASKS.items()}


def fly_teacher(name: str, latency: LatencyModel, late: LateRule, seed: int, in_flight: int = 1) -> Flight:
    task = TASKS[name]
    return fly(task, ENVS[name], Teacher(task), VirtualTime(latency), late=late, seed=seed, in_flight=in_flight)


def fly_synchronously(name: str, seed: int) -> tuple[list[Any], list[int], float]:
    """Ordinary Gymnasium, which waits for the agent."""
    env: Any = gym.make(TASKS[name].env_id)
    states, actions, total = [env.reset(seed=seed)[0]], list[int](), 0.0
    ended = False
    while not ended:
        actions.append(TASKS[name].teacher(env, states[-1]))
        state, reward, terminated, truncated, _ = env.step(actions[-1])
        states.append(state)
        total += float(reward)
        ended = terminated or truncated
    return states, actions, total


@pytest.mark.parametrize("name", TASKS)
@given(
    st.lists(st.integers(0, 20_000_000), min_size=1001, max_size=1001),
    st.integers(0, 10_000),
    st.sampled_from(LateRule),
)
@settings(max_examples=12)
def test_any_latency_up_to_one_tick_equals_synchronous_gymnasium(
    name: str, latencies_ns: list[int], seed: int, late: LateRule
) -> None:
    states, actions, total = fly_synchronously(name, seed)
    flight = fly_teacher(name, Replay(dict(enumerate(latencies_ns))), late, seed)
    assert [tick.action for tick in flight.ticks] == actions
    assert all(np.array_equal(tick.observation, state) for tick, state in zip(flight.ticks, states[:-1], strict=True))
    assert flight.episode.final_observation == tuple(states[-1].tolist())
    assert flight.episode.reward == pytest.approx(total, rel=1e-12)
    assert {tick.source for tick in flight.ticks} == {Source.FRESH}


@pytest.mark.parametrize("name", TASKS)
def test_a_latency_over_one_tick_differs(name: str) -> None:
    assert fly_teacher(name, Constant(20.001), LateRule.HOLD, 0).episode.late_ticks > 0


@given(st.lists(st.integers(0, 200_000_000), min_size=64, max_size=64), st.integers(1, 5), st.sampled_from(LateRule))
def test_no_answer_is_used_before_it_arrived_or_twice_as_fresh(ns: list[int], in_flight: int, late: LateRule) -> None:
    task = CountingTask(length=60)
    replay = VirtualTime(Replay(dict(enumerate(ns))))
    flight = fly(task, task.make(), Policy(parity), replay, late=late, seed=0, in_flight=in_flight)
    used: list[int] = []
    arrived_by: dict[int, float] = {}
    for tick in flight.ticks:
        arrived_by |= {a.observation_tick: a.started_ms + a.latency_ms for a in tick.answers}
        if tick.source is Source.FRESH:
            assert tick.observation_age_ticks is not None
            observation = tick.tick - tick.observation_age_ticks
            assert arrived_by[observation] <= tick.time_ms
            assert tick.action == observation % 3
            used.append(observation)
    assert used == sorted(set(used))


@pytest.mark.parametrize("late", LateRule)
def test_an_unanswered_tick_does_what_the_rule_says(late: LateRule) -> None:
    task = CountingTask(length=12)
    flight = fly(task, task.make(), Policy(parity), VirtualTime(Constant(50)), late=late, seed=0)
    last = task.initial_action
    for tick in flight.ticks:
        if tick.source is Source.FRESH:
            last = tick.action
        elif late is LateRule.HOLD:
            assert tick.action == last
        else:
            assert tick.action == task.noop
    assert {tick.source for tick in flight.ticks} == {
        Source.FRESH,
        Source.HELD if late is LateRule.HOLD else Source.NOOP,
    }


@pytest.mark.parametrize("late", LateRule)
@pytest.mark.parametrize("in_flight", [1, 3])
@pytest.mark.parametrize("name", TASKS)
def test_a_wall_runs_latencies_give_the_same_flight_under_the_virtual_clock(
    name: str, in_flight: int, late: LateRule
) -> None:
    task = TASKS[name]
    controller = Delayed(Teacher(task), Lognormal(33, 0.5))
    real = fly(task, ENVS[name], controller, WallTime(), late=late, seed=5, in_flight=in_flight)
    again = fly_teacher(name, Replay.of(real), late, seed=5, in_flight=in_flight)
    assert schedule(real) == schedule(again)
    assert all(np.array_equal(a.observation, b.observation) for a, b in zip(real.ticks, again.ticks, strict=True))
    assert real.episode.reward == again.episode.reward
    assert real.episode.late_ticks > 0


@pytest.mark.parametrize("in_flight", [1, 3])
def test_a_limit_on_the_rate_holds_in_real_time_and_gives_the_same_flight_in_simulation(in_flight: int) -> None:
    task, spacing = CountingTask(length=25), ns_from_ms(33)
    options: dict[str, Any] = {"late": LateRule.HOLD, "seed": 0, "in_flight": in_flight, "spacing": spacing}
    flown = fly(task, task.make(), Delayed(Policy(parity), Constant(25)), WallTime(), **options)
    answers = sorted(flown.answers(), key=lambda answer: answer.started_ms)
    assert len(answers) > 8
    assert all(answer.latency_ms >= 25 for answer in answers), "none is there before it was asked for"
    for earlier, later in itertools.pairwise(answers):
        assert ns_from_ms(later.started_ms) - ns_from_ms(earlier.started_ms) >= spacing
    again = fly(task, task.make(), Policy(parity), VirtualTime(Replay.of(flown)), **options)
    assert schedule(again) == schedule(flown)


def test_an_overrun_is_counted_and_never_shifts_later_ticks() -> None:
    stalls = {10: 0.07}
    task = CountingTask(length=30, on_step=lambda step: time.sleep(stalls.get(step, 0)))
    flight = fly(task, task.make(), Policy(parity), WallTime(), late=LateRule.HOLD, seed=0)
    assert [tick.time_ms for tick in flight.ticks] == [20.0 * k for k in range(30)]
    # Tick 10 holds the world up for 70 ms: ticks 11 and 12 run 50 and 30 ms late, 13 runs 10 ms late, 14 on time.
    assert flight.episode.overrun_ticks >= 2
    assert flight.ticks[11].lateness_ms >= 49
    assert flight.ticks[12].lateness_ms >= 29
    assert min(tick.lateness_ms for tick in flight.ticks[14:]) < 5
    again = fly(task, task.make(), Policy(parity), VirtualTime(Replay.of(flight)), late=LateRule.HOLD, seed=0)
    assert schedule(again) == schedule(flight)


def test_what_a_request_is_shown_is_the_same_in_simulation_even_when_the_world_stalls() -> None:
    stalls = {8: 0.05, 9: 0.03, 20: 0.09, 33: 0.045}
    task = CountingTask(length=50, on_step=lambda step: time.sleep(stalls.get(step, 0)))
    for in_flight in (1, 2):
        policy = Policy(parity)
        delayed = Delayed(policy, Lognormal(30, 0.6))
        real = fly(task, task.make(), delayed, WallTime(), late=LateRule.HOLD, seed=in_flight, in_flight=in_flight)
        shown = {seen.tick: seen[2:] for seen in policy.seen}
        calm = CountingTask(length=50)
        again = fly(
            calm, calm.make(), policy, VirtualTime(Replay.of(real)), late=LateRule.HOLD, seed=0, in_flight=in_flight
        )
        assert {seen.tick: seen[2:] for seen in policy.seen} == shown
        assert schedule(again) == schedule(real)


@pytest.mark.parametrize("clock", [VirtualTime(Constant(30)), WallTime()])
def test_a_published_observation_never_changes(clock: VirtualTime | WallTime) -> None:
    """An environment may write into the array that it returns; a controller may not."""

    class InPlace(Counting):
        state = np.zeros(2)

        def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            self.state[:], reward, terminated, truncated, info = super().step(action)
            return self.state, reward, terminated, truncated, info

    seen: list[list[float]] = []

    class Slow(Policy):
        def decide(self, observation: Observation) -> Decision:
            seen.append(observation.state.tolist())
            if isinstance(clock, WallTime):
                time.sleep(0.03)
            seen.append(observation.state.tolist())
            return super().decide(observation)

    flight = fly(CountingTask(15), InPlace(15), Slow(parity), clock, late=LateRule.HOLD, seed=0)
    assert seen[::2] == seen[1::2]
    assert [tick.observation[0] for tick in flight.ticks] == list(range(15))


def test_an_error_after_the_last_tick_is_not_lost() -> None:
    def fail_late(state: object) -> int:
        time.sleep(0.3)
        raise RuntimeError("too late")

    task = CountingTask(length=3)
    with pytest.raises(OntickError, match="too late"):
        fly(task, task.make(), Policy(fail_late), WallTime(), late=LateRule.HOLD, seed=0)


def test_a_reward_that_is_no_number_is_named() -> None:
    class Broken(Counting):
        def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            state, reward, terminated, truncated, info = super().step(action)
            return state, float("nan") if self.steps == 4 else reward, terminated, truncated, info

    with pytest.raises(OntickError, match="reward nan at tick 3"):
        fly(CountingTask(9), Broken(9), Policy(parity), VirtualTime(Constant(0)), late=LateRule.HOLD, seed=0)


def test_ctrl_c_after_the_last_tick_leaves_the_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ontick.inflight.requests.SimulatedRequests.uncollected", stop)
    task = CountingTask(length=3)
    with pytest.raises(Interrupted) as caught:
        fly(task, task.make(), Policy(parity), VirtualTime(Constant(0)), late=LateRule.HOLD, seed=0)
    assert caught.value.flight.episode.outcome == "counted"


def test_ctrl_c_waits_for_all_open_calls_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(step: int) -> None:
        if step == 10:
            raise KeyboardInterrupt

    def sleepy(state: object) -> int:
        time.sleep(3)
        return 0

    task = CountingTask(length=20, on_step=stop)
    started = time.perf_counter()
    with pytest.raises(Interrupted):
        fly(task, task.make(), Policy(sleepy), WallTime(), late=LateRule.HOLD, seed=0, in_flight=8)
    assert time.perf_counter() - started < 2.5


def test_pipelined_requests_start_on_every_observation() -> None:
    task = CountingTask(length=20)
    policy = Policy(parity)
    flight = fly(task, task.make(), policy, VirtualTime(Constant(70)), late=LateRule.HOLD, seed=0, in_flight=4)
    assert [seen.tick for seen in policy.seen] == list(range(20))
    # o[k] is published at (k - 1) * 20 ms and answered 70 ms later: used at tick k + 3, from tick 3 on.
    assert [tick.observation_age_ticks for tick in flight.ticks] == [None, None, None] + [3] * 17


def test_invalid_answers_are_counted_and_the_rule_goes_on() -> None:
    class Prose(Policy):
        def decide(self, observation: Observation) -> Decision:
            return Decision(None, valid=False, text="I think I would go left.")

    task = CountingTask(length=5)
    flight = fly(task, task.make(), Prose(parity), VirtualTime(Constant(0)), late=LateRule.HOLD, seed=0)
    assert flight.episode.invalid_answers == 5
    assert flight.episode.stale_answers == 0
    assert schedule(flight) == [(0, "held", None)] * 5
    assert flight.ticks[0].answers[0].text == "I think I would go left."


def test_the_same_flight_twice_is_the_same_bit_for_bit() -> None:
    for name in TASKS:
        first, again = (fly_teacher(name, Lognormal(45, 0.4), LateRule.HOLD, 11, in_flight=2) for _ in range(2))
        assert first.episode == again.episode
        assert schedule(first) == schedule(again)


@pytest.mark.parametrize("real_time", [False, True])
def test_ctrl_c_keeps_what_was_flown(real_time: bool) -> None:
    def stop(step: int) -> None:
        if step == 6:
            raise KeyboardInterrupt

    task = CountingTask(length=20, on_step=stop)
    slow = Delayed(Policy(parity), Constant(10_000))
    clock = WallTime() if real_time else VirtualTime(Constant(0))
    started = time.perf_counter()
    with pytest.raises(Interrupted) as caught:
        fly(task, task.make(), slow, clock, late=LateRule.HOLD, seed=0)
    assert time.perf_counter() - started < 5
    assert len(caught.value.flight.ticks) == 6
    assert caught.value.flight.episode.outcome == INTERRUPTED


def test_observers_see_every_tick_as_it_is_flown() -> None:
    seen: list[Tick] = []
    task = CountingTask(length=9)
    flight = fly(
        task, task.make(), Policy(parity), VirtualTime(Constant(0)), late=LateRule.HOLD, seed=0, observers=[seen.append]
    )
    assert seen == flight.ticks


def test_a_late_rule_may_change_in_flight() -> None:
    switch = RuleSwitch(LateRule.HOLD)

    def turn(tick: Tick) -> None:
        if tick.tick == 5:
            switch.rule = LateRule.NOOP

    task = CountingTask(length=12)
    never = Policy(lambda state: None)
    flight = fly(task, task.make(), never, VirtualTime(Constant(0)), late=switch, seed=0, observers=[turn])
    assert [tick.source for tick in flight.ticks] == [Source.HELD] * 6 + [Source.NOOP] * 6


def test_a_delay_counts_under_both_clocks() -> None:
    task = CountingTask(length=12)
    flights = [
        fly(task, task.make(), Delayed(Policy(parity), Constant(25)), clock, late=LateRule.HOLD, seed=0)
        for clock in (VirtualTime(Constant(5)), WallTime())
    ]
    for flight, least_ms in zip(flights, (30, 25), strict=True):
        waited = [answer.latency_ms for tick in flight.ticks for answer in tick.answers]
        assert min(waited) >= least_ms
        assert len(waited) <= 9
    assert ns_from_ms(flights[0].ticks[1].answers[0].latency_ms) == ns_from_ms(30)
