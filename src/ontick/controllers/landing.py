"""At which tick will an answer land? An estimate from the answers so far."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ontick.clock import Nanoseconds
from ontick.controllers.base import REMEMBERED_LATENCIES
from ontick.latency import NEVER


class LandingEstimate:
    """Says when a request will be answered: with the probability ``share``, by the time it names.

    The latency is a quantile of the episode's latest answers. What is missing to `REMEMBERED_LATENCIES` of them at its
    beginning comes from ``prior``, latencies known before, of which there may be any number.
    """

    def __init__(self, prior: Sequence[Nanoseconds], share: float, tick: Nanoseconds) -> None:
        self._share = share
        self._tick = tick
        ordered = sorted(prior)
        # Evenly spread quantiles stand for all of them, whatever their number.
        self._prior = [
            [ordered[(2 * place + 1) * len(ordered) // (2 * count)] for place in range(count)] if ordered else []
            for count in range(REMEMBERED_LATENCIES + 1)
        ]

    def latency(self, so_far: Sequence[Nanoseconds]) -> Nanoseconds:
        """Return how long an answer takes; 0 when nothing is known."""
        known = sorted((*so_far, *self._prior[REMEMBERED_LATENCIES - len(so_far)]))
        return known[math.ceil(self._share * len(known)) - 1] if known else 0

    def tick(self, started: Nanoseconds, latency: Nanoseconds) -> int:
        """Return the tick that collects the answer to a request that started at ``started``."""
        return -(-(started + min(latency, NEVER)) // self._tick)
