"""In which ways can a controller be asked, and what does each take where answers are so late?

``serial``     one request at a time
``pipelined``  a request on every observation, as many in flight as that takes
``chunked``    one request at a time, answered with a plan that lasts until the next one is there

each without prediction, or with it: ``serial+predict`` and so on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ontick.clock import Nanoseconds
from ontick.controllers.prediction import SHARES, Predict
from ontick.errors import unknown_name
from ontick.evaluation.episodes import MOST_IN_FLIGHT, Setup
from ontick.plans import LONGEST_CHUNK

SERIAL, PIPELINED, CHUNKED = "serial", "pipelined", "chunked"

PREDICTED = "+predict"

WAYS = (SERIAL, PIPELINED, CHUNKED, SERIAL + PREDICTED, PIPELINED + PREDICTED, CHUNKED + PREDICTED)

LATE, LAST = 0.95, 0.99
"""The share of the answers that have come when one counts as late, and when it is given up waiting for."""


@dataclass(frozen=True)
class Way:
    """How a controller is asked."""

    name: str
    in_flight: int
    chunk: int
    predict: Predict

    def on(self, setup: Setup) -> Setup:
        """Return ``setup`` asked in this way."""
        asking = replace(setup.asking, chunk=self.chunk)
        return replace(setup, in_flight=self.in_flight, predict=self.predict, asking=asking)


@dataclass(frozen=True)
class Pace:
    """How long answers take, and how often one may be asked for."""

    latencies: Sequence[Nanoseconds]
    """In order."""
    tick: Nanoseconds
    spacing: Nanoseconds = 0
    """Between the starts of two requests."""

    @classmethod
    def of(cls, latencies: Sequence[Nanoseconds], tick: Nanoseconds, spacing: Nanoseconds = 0) -> Pace:
        """Take latencies in any order."""
        return cls(sorted(latencies), tick, spacing)

    def by(self, share: float) -> Nanoseconds:
        """Return the time by which ``share`` of the answers have come."""
        return self.latencies[math.ceil(share * len(self.latencies)) - 1]

    @property
    def slots(self) -> int:
        """How many requests are open at once where one starts on every observation, or as often as may be."""
        return min(MOST_IN_FLIGHT, -(-self.by(LATE) // max(self.tick, self.spacing)) + 1)

    def plan(self, in_flight: int, predict: Predict) -> int:
        """Return for how many ticks a plan must have actions so that the next one is there before it ends.

        That is the time between two answers, and that from the state which a plan is made for to the plan's arrival:
        a latency, or with prediction only what an answer may be later than foreseen.
        """
        between = max(self.by(LAST) // in_flight, self.tick, self.spacing)
        share = SHARES.get(predict)
        old = self.by(LAST) - (0 if share is None else self.by(share))
        return min(LONGEST_CHUNK, -(-(between + old) // self.tick) + 1)


def find_way(name: str, setup: Setup, pace: Pace) -> Way:
    """Return what a way of asking comes to at a pace; more than one request in flight, or action, in ``setup`` stands.

    With prediction answers wait until nearly all of them would have come (``target``), unless ``setup`` predicts
    otherwise.

    Raises:
        OntickError: there is no such way.
    """
    if name not in WAYS:
        raise unknown_name("way of asking", name, WAYS, "all")
    predict = Predict.OFF
    if name.endswith(PREDICTED):
        predict = Predict.TARGET if setup.predict is Predict.OFF else setup.predict
    in_flight = chunk = 1
    if name.startswith(PIPELINED):
        in_flight = setup.in_flight if setup.in_flight > 1 else pace.slots
    elif name.startswith(CHUNKED):
        chunk = setup.asking.chunk if setup.asking.chunk > 1 else pace.plan(1, predict)
    return Way(name, in_flight, chunk, predict)
