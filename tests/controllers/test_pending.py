"""What a request is told of the ticks before its answer is what those ticks then apply."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontick.clock import ns_from_ms
from ontick.controllers.base import Observation
from ontick.controllers.pending import expected_actions
from ontick.dead_time import TARGET_QUANTILE, Aim, DeadTime, landing_tick
from ontick.errors import OntickError
from ontick.late import LateRule, Source
from ontick.latency import Constant, quantile_ms
from ontick.loop import VirtualTime, fly
from worlds import CountingTask, Policy, parity

TICK = ns_from_ms(20)
TASK = CountingTask(60)


@settings(max_examples=60)
@given(
    latency_ms=st.integers(0, 230),
    in_flight=st.integers(1, 14),
    late=st.sampled_from(LateRule),
)
def test_with_a_constant_latency_what_is_expected_of_the_ticks_to_come_is_what_they_apply(
    latency_ms: int, in_flight: int, late: LateRule
) -> None:
    policy = Policy(parity)
    time = VirtualTime(Constant(latency_ms))
    flight = fly(TASK, TASK.make(), policy, time, late=late, seed=0, in_flight=in_flight)
    behind = {
        t.tick: t.tick - t.observation_age_ticks for t in flight.ticks if t.observation_age_ticks is not None
    }  # the observation whose answer rules at a tick
    delay = ns_from_ms(latency_ms)
    for shown in policy.seen:
        lands = landing_tick(shown.tick, shown.started, delay, TICK)
        fresh = [t.tick for t in flight.ticks if t.source is Source.FRESH and behind[t.tick] == shown.tick]
        assert fresh in ([lands], []), "it lands where it was expected, or after the episode"
        due = {other.tick: landing_tick(other.tick, other.started, delay, TICK) for other in shown.open}
        expected = expected_actions(shown, lands, due, late, TASK.initial_action, TASK.noop)
        assert len(expected) == lands - shown.tick
        for tick, (action, request) in zip(flight.ticks[shown.tick :], expected, strict=False):
            if action is None:
                assert request in due
                assert request == behind[tick.tick]
            else:
                assert action == tick.action


def at(tick: int, **more: object) -> Observation:
    return Observation(np.zeros(2), tick)._replace(**more)


@pytest.mark.parametrize(
    ("shown", "due", "late", "actions"),
    [
        (at(7), {}, LateRule.HOLD, (0, 0, 0)),
        (at(7), {}, LateRule.NOOP, (3, 3, 3)),
        (at(7, last_action=2), {}, LateRule.HOLD, (2, 2, 2)),
        (at(7, last_action=2, promised=(1,)), {}, LateRule.HOLD, (1, 1, 1)),
        (at(7, last_action=2, promised=(1,)), {}, LateRule.NOOP, (1, 3, 3)),
        (at(7, last_action=2, promised=(None, 1)), {}, LateRule.HOLD, (2, 1, 1)),
        (at(7, last_action=2), {5: 8}, LateRule.HOLD, (2, None, None)),
        (at(7, last_action=2), {5: 8}, LateRule.NOOP, (3, None, 3)),
        (at(7, last_action=2, promised=(1, None, 0)), {5: 8}, LateRule.HOLD, (1, None, 0)),
        (at(7, last_action=2), {4: 7, 5: 8, 6: 9}, LateRule.HOLD, (None, None, None)),
        (at(7, last_action=2, promised=(1,)), {1: 4}, LateRule.HOLD, (1, 1, 1)),
        (at(7, last_action=2), {1: 4}, LateRule.NOOP, (None, 3, 3)),
    ],
)
def test_promises_and_open_requests_and_the_late_rule_each_have_their_ticks(
    shown: Observation, due: dict[int, int], late: LateRule, actions: tuple[int | None, ...]
) -> None:
    assert tuple(expected.action for expected in expected_actions(shown, 10, due, late, 0, 3)) == actions


@pytest.mark.parametrize("delay_ms", [0, 1, 19, 20, 21, 40, 99.5])
@pytest.mark.parametrize("started_ms", [-20, -1, 0, 7, 20, 333])
def test_an_answer_lands_at_the_first_tick_at_or_after_its_arrival(started_ms: int, delay_ms: float) -> None:
    tick = math.floor(started_ms / 20) + 1  # the newest observation then
    lands = landing_tick(tick, ns_from_ms(started_ms), ns_from_ms(delay_ms), TICK)
    assert lands >= tick
    assert 20 * lands >= started_ms + delay_ms
    assert lands == tick or 20 * (lands - 1) < started_ms + delay_ms


def test_the_target_is_where_nearly_all_have_come() -> None:
    dead_time = DeadTime.of("lognormal:150,0.25", 8, LateRule.HOLD, Aim.TARGET)
    assert dead_time.typical_ms == pytest.approx(150)
    stream = dead_time.model.stream(0)
    drawn = np.array([stream.next(k, 0) for k in range(20_000)])
    assert (drawn <= ns_from_ms(dead_time.target_ms)).mean() == pytest.approx(TARGET_QUANTILE, abs=0.003)
    assert DeadTime.from_json(dead_time.as_json()) == dead_time
    constant = DeadTime.of("40", 1, LateRule.NOOP, Aim.TARGET)
    assert constant.typical_ms == constant.target_ms == 40


def test_a_latency_that_only_a_flight_tells_is_none_to_learn_for() -> None:
    with pytest.raises(OntickError, match=r"measured tells only in flight; measure it with `ontick latency`"):
        DeadTime.of("measured", 1, LateRule.HOLD, Aim.ARRIVAL)
    assert quantile_ms(Constant(3), 0.1) == 3
