"""At which tick will an answer land? An estimate from the answers so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ontick.clock import Nanoseconds
from ontick.controllers.base import REMEMBERED_LATENCIES
from ontick.latency import NEVER


class LandingEstimate:
    """Says when a request will be answered: with the probability ``share``, by the time it names.

    The latency is a quantile of the episode's latest answers. Before there are any, it is one of ``prior``, latencies
    known before: each answer takes the place of one of them, of which `REMEMBERED_LATENCIES` at most are kept.
    """

    def __init__(self, prior: Sequence[Nanoseconds], share: float, tick: Nanoseconds) -> None:
        self._share = share
        self._tick = tick
        ordered = sorted(prior)
        most = min(len(ordered), REMEMBERED_LATENCIES)
        # Evenly spread quantiles stand for all of them, whatever their number.
        self._prior = [
            [ordered[(2 * place + 1) * len(ordered) // (2 * count)] for place in range(count)]
            for count in range(most, -1, -1)
        ]
        """What is left of them after so many answers."""

    def latency(self, so_far: Sequence[Nanoseconds]) -> Nanoseconds:
        """Return how long an answer takes; 0 when nothing is known."""
        answers = len(so_far)
        known = sorted((*so_far, *self._prior[answers]) if answers < len(self._prior) else so_far)
        return known[math.ceil(self._share * len(known)) - 1] if known else 0

    def tick(self, started: Nanoseconds, latency: Nanoseconds) -> int:
        """Return the tick that collects the answer to a request that started at ``started``."""
        return -(-(started + min(latency, NEVER)) // self._tick)
