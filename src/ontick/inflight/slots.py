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
        self._last_taken = -1
        self._allowed_from: Nanoseconds = -tick

    def next(self) -> Start | None:
        """Return the next request, or None while every slot is busy.

        Its observation may not be published yet. It is the newest at the moment the slot came free and the rate
        allows a request, or the first one after that if that one was taken.
        """
        if not self._free_since:
            return None
        start = self._first_from(self._free_since[0])
        if start.at >= self._allowed_from:
            return start
        allowed = self._first_from(self._allowed_from)
        return allowed._replace(held_back=allowed.at - start.at)

    def _first_from(self, free: Nanoseconds) -> Start:
        newest = free // self.tick + 1  # these few lines are on every tick's path: no calls
        observation_tick = newest if newest > self._last_taken else self._last_taken + 1
        published = (observation_tick - 1) * self.tick
        return Start(observation_tick, free if free > published else published, published)

    def take(self, start: Start) -> None:
        """Occupy the slot that has been free longest."""
        heapq.heappop(self._free_since)
        self._last_taken = start.observation_tick
        if self._spacing:
            self._allowed_from = start.at + self._spacing

    def release(self, at: Nanoseconds) -> None:
        """Free a slot at ``at``, which may lie in the future."""
        heapq.heappush(self._free_since, at)
