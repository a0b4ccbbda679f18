"""When may a model be used for something else than decisions? In the gaps between them, a layer or so at a time.

Whoever reads something else lets go of the model after every few layers, a step of a fraction of a millisecond, and
goes on when a step fits again. A model does not know for whom it decides; it goes by what it has seen. Decisions that
are asked for every 20 ms and take 16 leave 4 ms, and a step may begin there if it is over before the next one is
asked for. With decisions ``interval`` apart, the last asked for at ``asked_at``, a step may begin at ``now`` if
``now + step <= asked_at + (1 - SPARE) * interval``. ::

    asked at    0                       20                     40         ms
    decided     0-------------16.1      20----------------38.2 40------60
    steps                     16.1-18.6                   -               of 0.5 ms: five, one, none

Where decisions leave no gap at all, it has a small share of the time all the same, a step now and then.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterable
from contextlib import contextmanager
from statistics import median
from typing import TypeAlias

QUIET_S = 0.25
"""When no decision has been asked for so long, none is expected: no one flies, or the world stands still."""

SHARE = 0.02
"""The part of the time that steps have where decisions leave no gap."""

SPARE = 0.05
"""The part of an interval that is left unused: how much clocks and processors may be off."""

REMEMBERED = 16
"""Intervals, and steps of each kind, that expectations rest on."""

FEWEST = 4
"""Intervals that must have been seen before the next decision is foreseen."""

Pause: TypeAlias = Callable[[], None]
"""Called between two steps of a reading."""


class Rhythm:
    """When decisions come and how long steps take, in seconds of one clock: pure.

    What a kind of step takes is the second longest of those remembered, since one of them may have met with a busy
    processor; a step that was never taken is thought to take no time, and is known afterwards.
    """

    def __init__(self) -> None:
        self._open = 0
        self._asked_at: float | None = None
        self._answered_at = float("-inf")
        self._stepped_at = float("-inf")
        self._had_one = True
        """Whether a decision has been answered since the last step."""
        self._intervals_s: deque[float] = deque(maxlen=REMEMBERED)
        self._steps_s: dict[Hashable, deque[float]] = {}

    def asked(self, now: float) -> None:
        """A decision is asked for."""
        if self._asked_at is not None:
            self._intervals_s.append(now - self._asked_at)
        self._asked_at = now
        self._open += 1

    def answered(self, now: float) -> None:
        """A decision is answered."""
        self._open -= 1
        self._answered_at = now
        self._had_one = True

    def stepped(self, kind: Hashable, took_s: float, now: float) -> None:
        """A step of this kind is over and took so long."""
        self._steps_s.setdefault(kind, deque(maxlen=REMEMBERED)).append(took_s)
        self._stepped_at = now
        self._had_one = False

    def wait_s(self, kind: Hashable, now: float) -> float:
        """Return after how long a step of this kind may be taken if nothing happens till then; 0: now."""
        took_s = _long(self._steps_s.get(kind, ()))
        if not self._open and (self._quiet_at <= now or now + took_s <= self._gap_until):
            return 0.0
        # One that is open goes first; where one follows the other without a pause, a step may come between two of them.
        turn_at = self._stepped_at + took_s / SHARE if not self._open or self._had_one else float("inf")
        return max(0.0, min(self._quiet_at, turn_at) - now)

    @property
    def _gap_until(self) -> float:
        """When a step must be over; long ago, if it is not known when the next decision comes."""
        if self._asked_at is None or len(self._intervals_s) < FEWEST:
            return float("-inf")
        return self._asked_at + (1 - SPARE) * median(self._intervals_s)

    @property
    def _quiet_at(self) -> float:
        """From when on no decision is expected, if none comes until then."""
        return float("inf") if self._open else self._answered_at + QUIET_S


class Gaps:
    """Who has the model: a decision, which goes first, or something else, step by step in the time that is left."""

    def __init__(self) -> None:
        self._rhythm = Rhythm()
        self._changed = threading.Condition()
        self._model = threading.Lock()

    @contextmanager
    def decision(self) -> Generator[None]:
        """Have the model for a decision; a step that is being taken is waited for."""
        with self._changed:
            self._rhythm.asked(time.perf_counter())
        try:
            with self._model:
                yield
        finally:
            with self._changed:
                self._rhythm.answered(time.perf_counter())
                self._changed.notify_all()

    @contextmanager
    def whole(self) -> Generator[None]:
        """Have the model for something that is no decision, and cannot be done in steps."""
        with self._model:
            yield

    @contextmanager
    def steps(self, tokens: int) -> Generator[Pause]:
        """Have the model for a reading of ``tokens`` tokens, in steps that are taken when they fit.

        What is yielded ends a step, waits until the next one fits, and begins it. The same step of readings of as many
        tokens is expected to take as long.
        """
        kind = (tokens, 0)
        taken_at = self._take(kind)

        def pause() -> None:
            nonlocal kind, taken_at
            self._let_go(kind, taken_at)
            kind = (tokens, kind[1] + 1)
            taken_at = self._take(kind)

        try:
            yield pause
        finally:
            self._let_go(kind, taken_at)

    def _take(self, kind: Hashable) -> float:
        """Wait until a step fits, and take the model; return when that was."""
        with self._changed:
            while (wait_s := self._rhythm.wait_s(kind, time.perf_counter())) > 0:
                self._changed.wait(min(wait_s, threading.TIMEOUT_MAX))
        self._model.acquire()
        return time.perf_counter()

    def _let_go(self, kind: Hashable, taken_at: float) -> None:
        self._model.release()
        now = time.perf_counter()
        with self._changed:
            self._rhythm.stepped(kind, now - taken_at, now)


def _long(took_s: Iterable[float]) -> float:
    """Return the second longest time; of fewer than two the longest, and of none nothing."""
    return next(iter(sorted(took_s)[-2:]), 0.0)
