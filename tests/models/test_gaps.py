"""A conversation has the gaps that decisions leave, and no more."""

from __future__ import annotations

import threading
import time

import pytest

from ontick.models.gaps import FEWEST, JUST_S, PATIENCE_S, QUIET_S, SPARE, Gaps, Rhythm

TICK_S, DECISION_S, STEP_S = 0.020, 0.016, 0.006


def decide(rhythm: Rhythm, asked_at: float, answered_at: float, took_s: float) -> None:
    rhythm.asked(asked_at)
    rhythm.decided(took_s)
    rhythm.answered(answered_at)


def in_flight(decision_s: float = DECISION_S, step_s: float = STEP_S, ticks: int = 2 * FEWEST) -> tuple[Rhythm, float]:
    """Return what has been seen of a flight, and when its next decision is asked for."""
    rhythm = Rhythm()
    for tick in range(ticks):
        decide(rhythm, tick * TICK_S, tick * TICK_S + decision_s, decision_s)
        rhythm.stepped(1, step_s)
    return rhythm, ticks * TICK_S


def test_the_worked_trace() -> None:
    rhythm, start = in_flight()
    free_at, trace = start, list[tuple[float, bool]]()
    for tick in range(5):
        asked_at = start + tick * TICK_S
        ended_at = max(asked_at, free_at) + DECISION_S
        decide(rhythm, asked_at, ended_at, DECISION_S)
        may = rhythm.fitting((1,), ended_at) is not None
        free_at = ended_at + STEP_S if may else ended_at
        trace.append((round(1e3 * (ended_at - start)), may))
    assert trace == [(16, True), (38, False), (56, True), (78, False), (96, True)]


@pytest.mark.parametrize("decision_s", [0.002, 0.008, 0.012, 0.015, 0.017, 0.019])
@pytest.mark.parametrize("step_s", [0.001, 0.004, 0.006, 0.012])
def test_no_decision_is_answered_late_for_a_step(decision_s: float, step_s: float) -> None:
    rhythm, start = in_flight(decision_s, step_s)
    now, steps = start, 0
    for tick in range(200):
        asked_at = start + tick * TICK_S
        now = max(asked_at, now) + decision_s
        decide(rhythm, asked_at, now, decision_s)
        assert now <= asked_at + TICK_S
        while now < asked_at + TICK_S and rhythm.fitting((1,), now) is not None:
            now += step_s
            steps += 1
            rhythm.stepped(1, step_s)
    assert steps > 0 or 2 * decision_s + step_s > (2 - SPARE) * TICK_S


def test_the_largest_step_that_fits_is_taken() -> None:
    rhythm, start = in_flight()
    rhythm.stepped(4, 0.009)
    rhythm.asked(start)
    assert rhythm.fitting((4, 1), start) is None, "while a decision is open there is no gap"
    rhythm.answered(start + 0.010)
    assert rhythm.fitting((4, 1), start + 0.010) == 4
    assert rhythm.fitting((4, 1), start + 0.015) == 1
    assert rhythm.fitting((4, 1), start + 0.019) is None


def test_without_decisions_there_is_time_for_anything() -> None:
    assert Rhythm().fitting((4, 1), 7.0) == 4
    rhythm, start = in_flight(decision_s=0.019)
    assert rhythm.fitting((1,), start) is None
    assert rhythm.fitting((1,), start - 0.001 + QUIET_S) == 1


def test_a_few_decisions_are_no_rhythm() -> None:
    rhythm, start = in_flight(ticks=FEWEST)
    assert rhythm.fitting((1,), start - TICK_S + DECISION_S) is None


def test_one_busy_moment_is_no_rule() -> None:
    rhythm, start = in_flight()
    rhythm.asked(start)
    rhythm.decided(0.5)
    rhythm.answered(start + DECISION_S)
    assert rhythm.fitting((1,), start + DECISION_S) == 1


def test_what_comes_next_after_a_decision() -> None:
    rhythm, start = in_flight()
    rhythm.asked(start)
    assert rhythm.may_follow(start)
    rhythm.answered(start + DECISION_S)
    assert rhythm.may_follow(start + DECISION_S + JUST_S / 2)
    assert not rhythm.may_follow(start + DECISION_S + 2 * JUST_S)


def test_a_waiting_step_begins_as_soon_as_a_decision_is_answered_and_goes_on_where_none_leaves_a_gap() -> None:
    gaps, taken = Gaps(), list[int]()

    def write() -> None:
        for _ in range(2):
            with gaps.step((4, 1)) as size:
                taken.append(size)

    with gaps.asked():
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(PATIENCE_S / 5)
        assert taken == []
    thread.join()
    assert taken == [4, 4]  # after a while without decisions


def test_a_model_that_decides_without_a_pause_is_interrupted_now_and_then() -> None:
    gaps = Gaps()
    with gaps.asked():
        began = time.perf_counter()
        with gaps.step((4, 1)) as size:
            assert size == 4
        assert time.perf_counter() - began >= PATIENCE_S
