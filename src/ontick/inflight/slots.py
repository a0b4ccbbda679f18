"""When does the next request start, and on which observation? In closed form, without a clock."""

from __future__ import annotations

import heapq
from typing import NamedTuple

from ontick.clock import Nanoseconds


class Start(NamedTuple):
    """The next request: which observation, and the moment from which its latency counts."""

    observation_tick: int
    at: Nanoseconds
    published: Nanoseconds
    """When that observation is made known."""
    held_back: Nanoseconds = 0
    """How much earlier it would have started without a limit on the rate of requests."""


class Slots:
    """At most ``in_flight`` open requests, each on an observation of its own, and ``spacing`` between their starts.

    ``o[k]`` is published at ``(k - 1) * tick``. A slot that comes free exactly then sees it.
    """

    def __init__(self, in_flight: int, tick: Nanoseconds, spacing: Nanoseconds = 0) -> None:
        self.tick = tick
        self._spacing = spacing
        self._free_since: list[Nanoseconds] = [-tick] * in_flight
        self._untaken_from = -tick
        """When the first observation after those that requests have been on is made known."""
        self._allowed_from: Nanoseconds = -tick

    def take(self, newest: int) -> Start | None:
        """Occupy the slot that has been free longest and return its request.

        It starts when the slot is free, there is an observation that no request has been on, and the rate allows one;
        and it is on the newest observation then. None: that is after ``o[newest]``, or every slot is busy.
        """
        if not self._free_since:
            return None
        free, untaken, allowed = self._free_since[0], self._untaken_from, self._allowed_from
        earliest = free if free > untaken else untaken
        at = earliest if earliest > allowed else allowed
        observation_tick = at // self.tick + 1
        if observation_tick > newest:
            return None
        heapq.heappop(self._free_since)
        self._untaken_from = observation_tick * self.tick
        self._allowed_from = at + self._spacing
        return Start(observation_tick, at, self._untaken_from - self.tick, at - earliest)

    def release(self, at: Nanoseconds) -> None:
        """Free a slot at ``at``, which may lie in the future."""
        heapq.heappush(self._free_since, at)
