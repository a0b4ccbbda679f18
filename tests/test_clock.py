from __future__ import annotations

import gc
import sys
import time

from hypothesis import given
from hypothesis import strategies as st

from ontick.clock import NS_PER_MS, VirtualClock, WallClock, ns_from_ms, ns_from_s, punctual

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
