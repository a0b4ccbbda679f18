"""What time is it in the episode, and how does the loop wait for a tick?

Times are whole nanoseconds from tick 0 (the reset observation is published one tick before it, so an
episode starts at ``-tick``). Whole numbers make "arrived by the tick" exact: 20 ms is 20 ms under both clocks.
"""

from __future__ import annotations

import contextlib
import gc
import select
import sys
import threading
import time
from collections.abc import Generator
from typing import Protocol, TypeAlias

from ontick.scheduling import short_turns

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

    def sleep_until(self, deadline: Nanoseconds) -> Nanoseconds:
        """Wait for ``deadline`` unless it has passed; return the time then."""
        ...


class RunningClock(Clock, Protocol):
    """Time that passes by itself, so that someone beside the loop can wait for it."""

    def wait(self, deadline: Nanoseconds, stop: threading.Event) -> None:
        """Return at ``deadline``, or as soon as ``stop`` is set."""
        ...


class VirtualClock:
    """Simulated time: sleeping is free and always on time."""

    def __init__(self, starts_at: Nanoseconds) -> None:
        self._now = starts_at

    def now(self) -> Nanoseconds:
        """Return the current simulated time."""
        return self._now

    def sleep_until(self, deadline: Nanoseconds) -> Nanoseconds:
        """Jump to ``deadline`` unless it has passed."""
        if deadline > self._now:
            self._now = deadline
        return self._now


class WallClock:
    """Real time. Deadlines are absolute, so a late tick never shifts the ones after it."""

    def __init__(self, starts_at: Nanoseconds) -> None:
        self._zero = time.perf_counter_ns() - starts_at

    def now(self) -> Nanoseconds:
        """Return the current time."""
        return time.perf_counter_ns() - self._zero

    def sleep_until(self, deadline: Nanoseconds) -> Nanoseconds:
        """Sleep to ``SPIN_NS`` before the deadline, then poll in a way that lets other threads have the interpreter."""
        remaining = deadline - self.now()
        if remaining > SPIN_NS:
            time.sleep((remaining - SPIN_NS) / NS_PER_S)
        while (now := self.now()) < deadline:
            select.select((), (), (), 0)  # half a microsecond; ``sleep(0)`` is a real sleep of 0.08 ms on Python 3.11
        return now

    def wait(self, deadline: Nanoseconds, stop: threading.Event) -> None:
        """Return at ``deadline``, or as soon as ``stop`` is set."""
        stop.wait(max(0, deadline - self.now()) / NS_PER_S)


class Pace:
    """How fast time passes on a stage: 1 is real time, less is slow motion, 0 stands still. Set it from any thread."""

    def __init__(self, speed: float = 1.0) -> None:
        self._changed = threading.Condition()
        self._anchor = (time.perf_counter_ns(), 0, speed)
        """A moment in real time, the same one on the stage, and the speed since: replaced as one."""

    @property
    def speed(self) -> float:
        """Seconds of the stage in a real one."""
        return self._anchor[2]

    @speed.setter
    def speed(self, speed: float) -> None:
        with self._changed:
            real = time.perf_counter_ns()
            self._anchor = (real, self.at(real), speed)
            self._changed.notify_all()

    def now(self) -> Nanoseconds:
        """Return the stage's time, which never goes back."""
        return self.at(time.perf_counter_ns())

    def at(self, real: Nanoseconds) -> Nanoseconds:
        """Return the stage's time at a moment that `time.perf_counter_ns` has just given."""
        real_then, stage_then, speed = self._anchor
        return stage_then + (real - real_then if speed == 1.0 else int((real - real_then) * speed))

    def sleep(self, duration: Nanoseconds) -> None:
        """Let so much of the stage's time pass, or return early when the speed has changed."""
        with self._changed:
            speed = self.speed
            self._changed.wait(duration / NS_PER_S / speed if speed else None)


class PacedClock:
    """Time on a stage whose pace may change in mid-flight; at pace 1 it is real time. Deadlines are absolute."""

    def __init__(self, starts_at: Nanoseconds, pace: Pace) -> None:
        self._pace = pace
        self._zero = pace.now() - starts_at

    def now(self) -> Nanoseconds:
        """Return the current time on the stage."""
        return self._pace.now() - self._zero

    def sleep_until(self, deadline: Nanoseconds) -> Nanoseconds:
        """Sleep to ``SPIN_NS`` before the deadline, then poll, as `WallClock` does; a pace of 0 waits for the next."""
        while (remaining := deadline - self.now()) > SPIN_NS or (remaining > 0 and self._pace.speed < 1):
            self._pace.sleep(max(remaining - SPIN_NS, 1))
        while (now := self.now()) < deadline:
            select.select((), (), (), 0)
        return now

    def wait(self, deadline: Nanoseconds, stop: threading.Event) -> None:
        """Return at ``deadline``, or as soon as ``stop`` is set."""
        while (remaining := deadline - self.now()) > 0 and not stop.is_set():
            speed = self._pace.speed
            slice_s = remaining / NS_PER_S / speed if speed else PACE_NOTICED_S
            stop.wait(slice_s if speed == 1 else min(slice_s, PACE_NOTICED_S))


PACE_NOTICED_S = 0.01
"""How soon one who waits out a delay in slow motion notices that the pace has changed."""


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
    with no_collection(), short_turns():
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        try:
            yield
        finally:
            sys.setswitchinterval(interval)
