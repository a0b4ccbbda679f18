"""What time is it in the episode, and how does the loop wait for a tick?

Times are whole nanoseconds from tick 0 (the reset observation is published one tick before it, so an
episode starts at ``-tick``). Whole numbers make "arrived by the tick" exact: 20 ms is 20 ms under both clocks.
"""

from __future__ import annotations

import contextlib
import gc
import select
import sys
import time
from collections.abc import Generator
from typing import Protocol, TypeAlias

Nanoseconds: TypeAlias = int

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

SPIN_NS = 1 * NS_PER_MS
"""How long before a deadline sleeping gives way to polling: on Linux a sleep overshoots by 0.1-0.3 ms, rarely more."""

SWITCH_INTERVAL_S = 1e-5
"""How long another Python thread may keep the interpreter once the clock's thread wants it."""


def ns_from_ms(milliseconds: float) -> Nanoseconds:
    """Round to the nearest nanosecond."""
    return round(milliseconds * NS_PER_MS)


def ns_from_s(seconds: float) -> Nanoseconds:
    """Round to the nearest nanosecond."""
    return round(seconds * NS_PER_S)


class Clock(Protocol):
    """Time as the loop sees it: absolute, in nanoseconds from tick 0."""

    def now(self) -> Nanoseconds:
        """Return the current time."""
        ...

    def sleep_until(self, deadline: Nanoseconds) -> None:
        """Return at ``deadline``, or at once when it has passed."""
        ...


class VirtualClock:
    """Simulated time: sleeping is free and always on time."""

    def __init__(self, starts_at: Nanoseconds) -> None:
        self._now = starts_at

    def now(self) -> Nanoseconds:
        """Return the current simulated time."""
        return self._now

    def sleep_until(self, deadline: Nanoseconds) -> None:
        """Jump to ``deadline`` unless it has passed."""
        self._now = max(self._now, deadline)


class WallClock:
    """Real time. Deadlines are absolute, so a late tick never shifts the ones after it."""

    def __init__(self, starts_at: Nanoseconds) -> None:
        self._zero = time.perf_counter_ns() - starts_at

    def now(self) -> Nanoseconds:
        """Return the current time."""
        return time.perf_counter_ns() - self._zero

    def sleep_until(self, deadline: Nanoseconds) -> None:
        """Sleep to ``SPIN_NS`` before the deadline, then poll in a way that lets other threads have the interpreter."""
        remaining = deadline - self.now()
        if remaining > SPIN_NS:
            time.sleep((remaining - SPIN_NS) / NS_PER_S)
        while self.now() < deadline:
            select.select((), (), (), 0)  # half a microsecond; ``sleep(0)`` is a real sleep of 0.08 ms on Python 3.11


@contextlib.contextmanager
def no_collection() -> Generator[None]:
    """Pause the interpreter's garbage collection."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@contextlib.contextmanager
def punctual() -> Generator[None]:
    """Keep the interpreter's own pauses away from the ticks: no garbage collection, quick thread switches."""
    interval = sys.getswitchinterval()
    gc.collect()
    with no_collection():
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            yield
        finally:
            sys.setswitchinterval(interval)
