"""What can be changed in flight acts in flight, and slow motion shows what happened in real time."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import pytest

from ontick.clock import Pace
from ontick.controllers.base import Decision, Observation
from ontick.late import LateRule, Source
from ontick.loop import fly
from ontick.records import Flight, Tick
from ontick.viewer.lanes.controls import Controls
from ontick.viewer.lanes.orders import Begin, Live
from ontick.viewer.lanes.recording import Change
from ontick.viewer.lanes.slow_motion import StageTime
from worlds import CountingTask, Policy, parity

TICKS = 25


class Sleeper:
    """Takes 30 ms of real time, which no stage can change."""

    def reset(self, seed: int) -> None:
        pass

    def decide(self, observation: Observation) -> Decision:
        time.sleep(0.03)
        return Decision(parity(observation.state))


def flight(
    controller: Policy | Sleeper,
    at: Callable[[Controls, int], None] = lambda controls, tick: None,
    speed: float = 1.0,
    late: LateRule = LateRule.HOLD,
    you: bool = False,
) -> tuple[Flight, Controls]:
    """Fly; ``at`` is called before each tick from the clock's own thread, so that what it changes acts on the next."""
    task, pace = CountingTask(TICKS), Pace()
    controls = Controls(pace, Begin(1, 0, Live(late, 0.0, speed), you, None))

    def observe(tick: Tick) -> None:
        controls.next_tick = tick.tick + 1
        at(controls, tick.tick + 1)

    flown = controls.around(controller)
    watched = fly(task, task.make(), flown, StageTime(pace), late=controls.late, seed=0, observers=(observe,))
    return watched, controls


def latency_in_ticks(flown: Flight) -> int:
    return math.ceil(statistics.median(answer.latency_ms for answer in flown.answers()) / 20)


@pytest.mark.parametrize("speed", [1.0, 0.5, 0.25])
def test_an_answer_is_as_late_on_a_slow_stage_as_in_real_time(speed: float) -> None:
    flown, _ = flight(Sleeper(), speed=speed)
    assert len(flown.ticks) == TICKS
    assert latency_in_ticks(flown) == 2  # 30 ms of 20 ms each
    fresh = sum(tick.source is Source.FRESH for tick in flown.ticks)
    assert TICKS // 3 <= fresh <= TICKS * 3 // 4  # about every other tick, and not every one


def test_without_that_slow_motion_would_flatter() -> None:
    """The same stage with the bare controller: at a quarter of the speed it would seem to answer within a tick."""
    task, pace = CountingTask(TICKS), Pace(0.25)
    flown = fly(task, task.make(), Sleeper(), StageTime(pace), late=LateRule.HOLD, seed=0)
    assert latency_in_ticks(flown) == 1


def test_a_pace_that_changes_in_flight_changes_no_latency() -> None:
    def at(controls: Controls, tick: int) -> None:
        controls.change(Live(LateRule.HOLD, 0.0, 0.25 if tick % 6 < 3 else 1.0))

    flown, controls = flight(Sleeper(), at)
    assert latency_in_ticks(flown) == 2
    assert controls.conditions().slowed


def test_a_delay_that_is_dragged_in_flight_acts_in_flight() -> None:
    def at(controls: Controls, tick: int) -> None:
        if tick == 10:
            controls.change(Live(LateRule.HOLD, 100.0, 1.0))

    flown, controls = flight(Policy(parity), at)
    before = [a.latency_ms for a in flown.answers() if a.observation_tick < 10]
    after = [a.latency_ms for a in flown.answers() if a.observation_tick > 11]
    assert statistics.median(before) < 100 <= min(after)
    assert controls.conditions().changes == (Change(10, "delay_ms", 100.0),)
    assert not controls.conditions().throughout("delay_ms")
    assert controls.conditions().throughout("late")


def test_a_late_rule_that_is_switched_in_flight_acts_on_the_next_tick() -> None:
    def at(controls: Controls, tick: int) -> None:
        if tick == 10:
            controls.change(Live(LateRule.NOOP, 0.0, 1.0))

    flown, controls = flight(Policy(lambda state: None), at)
    sources = [tick.source for tick in flown.ticks]
    assert sources == [Source.HELD] * 10 + [Source.NOOP] * (TICKS - 10)
    assert controls.conditions().as_json()["changes"] == [{"tick": 10, "late": LateRule.NOOP}]


def test_of_a_drag_between_two_ticks_only_where_it_ends_is_kept() -> None:
    def at(controls: Controls, tick: int) -> None:
        for delay in (10.0, 20.0, 30.0) if tick == 5 else ():
            controls.change(Live(LateRule.HOLD, delay, 1.0))

    _, controls = flight(Policy(parity), at)
    assert controls.conditions().changes == (Change(5, "delay_ms", 30.0),)


def test_a_person_takes_the_controls_and_gives_them_back() -> None:
    def at(controls: Controls, tick: int) -> None:
        if tick == 5:
            controls.seize(True)
        if tick == 10:
            controls.press(2)
        if tick == 15:
            controls.press(None)
        if tick == 20:
            controls.seize(False)

    policy = Policy(lambda state: 1)
    # At a quarter of the speed a tick is 80 ms long, so that an answer seldom waits for this machine until the next.
    flown, controls = flight(policy, at, speed=0.25, late=LateRule.NOOP)
    asked = {observation.tick for observation in policy.seen}

    def did(begin: int, end: int) -> set[tuple[int, Source]]:
        """What ticks did, but for those that a stall of this machine left without an answer."""
        return {(t.action, t.source) for t in flown.ticks[begin:end]} - {(3, Source.NOOP)}

    # What is changed after a tick may come just before or just after the controller is asked about the next: one tick.
    assert did(0, 5) == did(22, TICKS) == {(1, Source.FRESH)}
    assert did(12, 15) == {(2, Source.FRESH)}
    assert did(7, 10) == did(17, 20) == set()  # no key: the late rule
    assert not asked & set(range(7, 20))  # it is not asked meanwhile
    assert controls.conditions().you_from_tick == 5
    assert [change.value for change in controls.conditions().changes] == [True, False]


def test_what_a_controller_was_asked_before_its_place_was_taken_it_has_not_said() -> None:
    def at(controls: Controls, tick: int) -> None:
        if tick == 1:
            controls.seize(True)

    class Slow(Policy):
        def decide(self, observation: Observation) -> Decision:
            time.sleep(0.1)
            return super().decide(observation)

    flown, _ = flight(Slow(lambda state: 1), at, late=LateRule.NOOP)
    assert {tick.source for tick in flown.ticks} == {Source.NOOP}


def test_a_person_may_fly_from_the_start() -> None:
    def at(controls: Controls, tick: int) -> None:
        controls.press(1)

    flown, controls = flight(Policy(lambda state: 2), at, you=True)
    assert 2 not in {tick.action for tick in flown.ticks}
    actions = [tick.action for tick in flown.ticks]
    assert actions == sorted(actions)  # none, then the key
    assert actions[-1] == 1
    assert controls.conditions().you_from_tick == 0
