from __future__ import annotations

import gc
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.clock import NS_PER_MS, Pace, PacedClock, VirtualClock, WallClock, ns_from_ms, ns_from_s, punctual

MS = NS_PER_MS


@given(st.lists(st.integers(-100 * MS, 10_000 * MS)))
def test_virtual_time_never_runs_backwards_and_is_never_late(deadlines: list[int]) -> None:
    clock = VirtualClock(starts_at=-20 * MS)
    before = clock.now()
    for deadline in deadlines:
        clock.sleep_until(deadline)
        assert clock.now() == max(before, deadline)
        before = clock.now()


def test_wall_time_is_never_early() -> None:
    clock = WallClock(starts_at=0)
    for tick in range(1, 20):
        clock.sleep_until(tick * MS)
        assert clock.now() >= tick * MS


def test_a_passed_deadline_returns_at_once_and_leaves_the_next_one_where_it_was() -> None:
    clock = WallClock(starts_at=0)
    time.sleep(0.03)
    started = clock.now()
    clock.sleep_until(5 * MS)
    assert clock.now() - started < 5 * MS
    clock.sleep_until(40 * MS)
    assert clock.now() >= 40 * MS


def test_the_wall_clock_starts_where_it_is_told() -> None:
    assert 0 <= WallClock(starts_at=-20 * MS).now() + 20 * MS < 10 * MS


def test_punctual_gives_everything_back() -> None:
    interval, collecting = sys.getswitchinterval(), gc.isenabled()
    with punctual():
        assert not gc.isenabled()
        assert sys.getswitchinterval() < interval
    assert (sys.getswitchinterval(), gc.isenabled()) == (interval, collecting)


def test_units() -> None:
    assert ns_from_ms(20) == ns_from_s(0.02) == 20_000_000
    assert ns_from_ms(0.1) == 100_000


class TestPace:
    def test_at_pace_one_the_stage_is_real_time(self) -> None:
        pace = Pace()
        real = time.perf_counter_ns()
        clock = PacedClock(0, pace)
        clock.sleep_until(30 * MS)
        assert time.perf_counter_ns() - real >= 30 * MS
        assert clock.now() >= 30 * MS

    def test_slow_motion_stretches_a_wait(self) -> None:
        real = time.perf_counter_ns()
        clock = PacedClock(0, Pace(0.25))
        clock.sleep_until(10 * MS)
        assert time.perf_counter_ns() - real >= 40 * MS

    @pytest.mark.parametrize("wait", ["sleep_until", "wait"])
    def test_nothing_is_due_while_the_stage_stands_still(self, wait: str) -> None:
        pace = Pace(0)
        clock = PacedClock(0, pace)
        done = threading.Event()

        def run() -> None:
            clock.sleep_until(MS) if wait == "sleep_until" else clock.wait(MS, threading.Event())
            done.set()

        thread = threading.Thread(target=run)
        thread.start()
        assert not done.wait(0.1)
        assert clock.now() == 0
        pace.speed = 1
        assert done.wait(5)
        thread.join()
        assert clock.now() >= MS

    def test_a_wait_ends_at_once_when_it_is_stopped(self) -> None:
        stop = threading.Event()
        threading.Timer(0.05, stop.set).start()
        PacedClock(0, Pace(0)).wait(MS, stop)
        assert stop.is_set()

    @given(st.lists(st.sampled_from([0.0, 0.1, 0.5, 1.0]), max_size=8))
    def test_the_stages_time_never_goes_back(self, speeds: list[float]) -> None:
        pace = Pace()
        seen = [pace.now()]
        for speed in speeds:
            pace.speed = speed
            seen += [pace.now(), pace.now()]
        assert seen == sorted(seen)
