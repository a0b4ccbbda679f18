"""How is slow motion honest? An answer takes as long on the stage as in real time, however slowly time passes there.

The controller is a program and cannot be slowed down: at a quarter of the speed, an answer that takes 40 ms would be
there after 10 ms of the stage, and a policy that is too slow would seem to fly. So what the stage did not see of the
call is added to the answer as a delay, and a flight looks in slow motion as it was in real time.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ontick.clock import Clock, Nanoseconds, Pace, PacedClock, punctual
from ontick.controllers.base import Controller, Decision, Observation
from ontick.inflight.legal import Ask
from ontick.inflight.requests import Requests, ThreadedRequests
from ontick.inflight.slots import Slots

NOTICEABLE: Nanoseconds = 1000
"""Less than this is no difference: the pace may change between two readings of it."""


@dataclass(frozen=True)
class StageTime:
    """Real time at a pace that may change in flight: a `loop.Time`."""

    pace: Pace

    def punctual(self) -> AbstractContextManager[None]:
        """Keep the interpreter's pauses away from the ticks."""
        return punctual()

    def begin(self, ask: Ask, slots: Slots, in_flight: int, seed: int) -> tuple[Clock, Requests]:
        """Start the stage's clock."""
        clock = PacedClock(-slots.tick, self.pace)
        return clock, ThreadedRequests(ask, slots, clock, in_flight)


class AsInRealTime:
    """Answers as ``inner`` does, as late on a stage at ``pace`` as it is in real time."""

    def __init__(self, inner: Controller, pace: Pace) -> None:
        self._inner = inner
        self._pace = pace

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner``."""
        self._inner.reset(seed)

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner``, and add what the stage did not see of the time that it took."""
        began = time.perf_counter_ns()
        began_on_stage = self._pace.at(began)
        decision = self._inner.decide(observation)
        ended = time.perf_counter_ns()
        unseen = (ended - began) - (self._pace.at(ended) - began_on_stage)
        return decision if unseen < NOTICEABLE else decision._replace(delay=decision.delay + unseen)
