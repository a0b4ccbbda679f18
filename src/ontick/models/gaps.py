"""When may a model be used for something else than decisions? In the gaps between them, and when none come.

A model does not know for whom it decides; it goes by what it has seen. Decisions that are asked for every 20 ms and
take 16 leave 4 ms, and a step that takes 6 may begin there if the next decision, which then begins late, is still
answered before the one after it is asked for. With decisions ``interval`` apart, the last asked for at ``asked_at``,
a step may begin at ``now`` if ``now + step + decision <= asked_at + (2 - SPARE) * interval``. ::

    asked at    0        20        40        60        80     ms
    decided     0--16    22--38    40--56    62--78    80--96
    step        16--22   -         56--62    -         96--102    38 + 6 + 16 = 60 > 20 + 39
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from statistics import median

QUIET_S = 0.25
"""When no decision has been asked for so long, none is expected: no one flies, or the world stands still."""

PATIENCE_S = 0.5
"""Where decisions leave no gap, one step is taken after so long all the same, as soon as a decision is answered."""

SPARE = 0.05
"""The share of an interval that is left unused: how much clocks and processors may be off."""

JUST_S = 0.001
"""A decision that was answered so recently has just been answered."""

REMEMBERED = 16
"""Decisions, and steps of each size, that expectations rest on."""

FEWEST = 4
"""Intervals that must have been seen before the next decision is foreseen."""


class Rhythm:
    """When decisions come and how long they take, in seconds of one clock: pure.

    A step is counted in tokens. What takes how long is the second longest of those remembered, since one of them may
    have met with a busy processor; a step that was never taken is thought to take no time, and is known afterwards.
    """

    def __init__(self) -> None:
        self._open = 0
        self._asked_at: float | None = None
        self._ended_at: float | None = None
        self._intervals_s: deque[float] = deque(maxlen=REMEMBERED)
        self._decisions_s: deque[float] = deque(maxlen=REMEMBERED)
        self._steps_s: dict[int, deque[float]] = {}

    def asked(self, now: float) -> None:
        """A decision is asked for."""
        if self._asked_at is not None:
            self._intervals_s.append(now - self._asked_at)
        self._asked_at = now
        self._open += 1

    def answered(self, now: float) -> None:
        """A decision is answered."""
        self._open -= 1
        self._ended_at = now

    def decided(self, took_s: float) -> None:
        """A decision took so long, without what it had to wait for."""
        self._decisions_s.append(took_s)

    def stepped(self, size: int, took_s: float) -> None:
        """A step of ``size`` tokens took so long."""
        self._steps_s.setdefault(size, deque(maxlen=REMEMBERED)).append(took_s)

    def fitting(self, sizes: Sequence[int], now: float) -> int | None:
        """Return the first of ``sizes`` for which there is time now."""
        if self._open:
            return None
        if self._asked_at is None or now >= self.quiet_at:
            return sizes[0]
        if len(self._intervals_s) < FEWEST:
            return None
        to_be_done = self._asked_at + (2 - SPARE) * median(self._intervals_s) - _long(self._decisions_s)
        return next((size for size in sizes if now + _long(self._steps_s.get(size, ())) <= to_be_done), None)

    def may_follow(self, now: float) -> bool:
        """Say whether a step that is taken now comes next after a decision."""
        return self._open > 0 or self._ended_at is None or now - self._ended_at < JUST_S

    @property
    def quiet_at(self) -> float:
        """From when on no decision is expected, if none comes until then."""
        return float("inf") if self._open or self._ended_at is None else self._ended_at + QUIET_S


class Gaps:
    """The time that decisions leave, for threads that ask for them and others that wait for a gap."""

    def __init__(self) -> None:
        self._rhythm = Rhythm()
        self._changed = threading.Condition()

    @contextmanager
    def asked(self) -> Generator[None]:
        """Ask for a decision."""
        with self._changed:
            self._rhythm.asked(time.perf_counter())
        try:
            yield
        finally:
            with self._changed:
                self._rhythm.answered(time.perf_counter())
                self._changed.notify_all()

    @contextmanager
    def deciding(self) -> Generator[None]:
        """Time a decision itself, without what it had to wait for."""
        began = time.perf_counter()
        yield
        with self._changed:
            self._rhythm.decided(time.perf_counter() - began)

    @contextmanager
    def step(self, sizes: Sequence[int]) -> Generator[int]:
        """Wait for a gap, and time what is done in it: a step of as many tokens as are yielded.

        ``sizes`` are those that would be of use, the largest first.
        """
        size = self._await(sizes)
        began = time.perf_counter()
        yield size
        with self._changed:
            self._rhythm.stepped(size, time.perf_counter() - began)

    def _await(self, sizes: Sequence[int]) -> int:
        with self._changed:
            give_up = time.perf_counter() + PATIENCE_S
            while (size := self._rhythm.fitting(sizes, now := time.perf_counter())) is None:
                until = self._rhythm.quiet_at if now >= give_up else min(give_up, self._rhythm.quiet_at)
                if now >= give_up and self._rhythm.may_follow(now):
                    return sizes[0]
                self._changed.wait(until - now)
            return size


def _long(took_s: Iterable[float]) -> float:
    """Return the second longest time; of fewer than two the longest, and of none nothing."""
    return next(iter(sorted(took_s)[-2:]), 0.0)
