"""A conversation has the gaps that decisions leave, and no more."""

from __future__ import annotations

import threading
import time

import pytest

from ontick.models.gaps import FEWEST, QUIET_S, SHARE, SPARE, Gaps, Pause, Rhythm

TICK_S, DECISION_S, STEP_S = 0.020, 0.016, 0.0005
KIND = "a layer"


def decide(rhythm: Rhythm, asked_at: float, answered_at: float) -> None:
    rhythm.asked(asked_at)
    rhythm.answered(answered_at)


def step(rhythm: Rhythm, now: float, took_s: float) -> float:
    rhythm.stepped(KIND, took_s, now + took_s)
    return now + took_s


def in_flight(decision_s: float = DECISION_S, step_s: float = STEP_S, ticks: int = 2 * FEWEST) -> tuple[Rhythm, float]:
    """Return what has been seen of a flight with a step after each decision, and when the next one is asked for."""
    rhythm = Rhythm()
    for tick in range(ticks):
        decide(rhythm, tick * TICK_S, tick * TICK_S + decision_s)
        step(rhythm, tick * TICK_S + decision_s, step_s)
    return rhythm, ticks * TICK_S


def test_the_worked_trace() -> None:
    rhythm, start = in_flight()
    steps = list[float]()
    for asked_at, answered_at in ((0.0, 0.0161), (0.020, 0.0382), (0.040, 0.060)):
        now = start + answered_at
        decide(rhythm, start + asked_at, now)
        while rhythm.wait_s(KIND, now) == 0:
            steps.append(round(1e3 * (now - start), 1))
            now = step(rhythm, now, STEP_S)
    assert steps == [16.1, 16.6, 17.1, 17.6, 18.1, 38.2]


@pytest.mark.parametrize("decision_s", [0.002, 0.008, 0.012, 0.015, 0.017])
@pytest.mark.parametrize("step_s", [0.0002, 0.0005, 0.001, 0.002])
def test_no_decision_waits_for_a_step_where_there_are_gaps(decision_s: float, step_s: float) -> None:
    rhythm, start = in_flight(decision_s, step_s)
    taken = 0
    for tick in range(200):
        asked_at = start + tick * TICK_S
        now = asked_at + decision_s
        decide(rhythm, asked_at, now)
        while now < asked_at + TICK_S and rhythm.wait_s(KIND, now) == 0:
            now = step(rhythm, now, step_s)
            taken += 1
        assert now <= asked_at + TICK_S
    gap_s = (1 - SPARE) * TICK_S - decision_s
    assert taken == pytest.approx(200 * (gap_s // step_s), abs=200)


@pytest.mark.parametrize("step_s", [0.0002, 0.001, 0.002])
def test_decisions_that_leave_no_gap_lose_a_small_share_of_the_time(step_s: float) -> None:
    rhythm, start = in_flight(TICK_S, step_s)
    now, taken_s = start, 0.0
    end = start + 20
    while now < end:
        rhythm.asked(now)
        now += TICK_S
        rhythm.answered(now)
        if rhythm.wait_s(KIND, now) == 0:
            now = step(rhythm, now, step_s)
            taken_s += step_s
    assert 0.5 * min(SHARE, step_s / TICK_S) * 20 <= taken_s <= SHARE * 20 + step_s, "at most a step a decision"


def test_decisions_that_are_always_open_lose_no_more() -> None:
    rhythm, start = in_flight()
    rhythm.asked(start)
    now = step(rhythm, start, STEP_S)
    assert rhythm.wait_s(KIND, now + 100) == float("inf"), "the one that is open goes first"
    rhythm.asked(now)
    rhythm.answered(now)
    assert rhythm.wait_s(KIND, now) == pytest.approx(STEP_S / SHARE)
    assert rhythm.wait_s(KIND, now + STEP_S / SHARE + 1e-9) == 0


def test_without_decisions_there_is_time_for_anything() -> None:
    assert Rhythm().wait_s(KIND, 7.0) == 0
    rhythm, start = in_flight(decision_s=0.0195)
    last = start - TICK_S + 0.0195
    assert 0 < rhythm.wait_s(KIND, last + 0.001) <= STEP_S / SHARE
    assert rhythm.wait_s(KIND, last + QUIET_S) == 0


def test_a_few_decisions_are_no_rhythm() -> None:
    rhythm, start = in_flight(ticks=FEWEST)
    assert rhythm.wait_s(KIND, start - TICK_S + DECISION_S + STEP_S) > 0


def test_one_busy_moment_is_no_rule() -> None:
    rhythm, start = in_flight()
    rhythm.stepped(KIND, 0.5, start)
    decide(rhythm, start, start + DECISION_S)
    assert rhythm.wait_s(KIND, start + DECISION_S) == 0


def test_a_kind_of_step_is_known_by_itself() -> None:
    rhythm, start = in_flight()
    for _ in range(3):
        rhythm.stepped("the head", 0.004, start)
    decide(rhythm, start, start + DECISION_S)
    assert rhythm.wait_s(KIND, start + DECISION_S) == 0
    assert rhythm.wait_s("the head", start + DECISION_S) > 0


def test_a_decision_goes_first_and_a_reading_goes_on_after_it() -> None:
    gaps, order = Gaps(), list[str]()
    asked, decided = threading.Event(), threading.Event()

    def decide_meanwhile() -> None:
        asked.wait()
        with gaps.decision():
            order.append("decision")
        decided.set()

    def read(pause: Pause) -> None:
        order.append("step")
        asked.set()
        time.sleep(0.05)  # the decision is asked for meanwhile
        pause()
        order.append("step")

    thread = threading.Thread(target=decide_meanwhile)
    thread.start()
    with gaps.steps(1) as pause:
        read(pause)
    thread.join()
    assert order == ["step", "decision", "step"]


def test_what_cannot_be_done_in_steps_is_not_interrupted() -> None:
    gaps, order = Gaps(), list[str]()

    def talk() -> None:
        with gaps.steps(1):
            order.append("step")

    with gaps.whole():
        thread = threading.Thread(target=talk)
        thread.start()
        time.sleep(0.02)
        order.append("whole")
    thread.join()
    assert order == ["whole", "step"]


def test_a_step_that_fails_lets_go_of_the_model() -> None:
    gaps = Gaps()

    def fail() -> None:
        with gaps.steps(1) as pause:
            pause()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with gaps.decision():
        pass
