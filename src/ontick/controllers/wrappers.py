"""Controllers made from controllers: the same policy, answered later, or disturbed now and then."""

from __future__ import annotations

import numpy as np

from ontick.controllers.base import Controller, Decision, Observation
from ontick.latency import Constant, LatencyModel, LatencyStream


class Delayed:
    """Answers as ``inner`` does, ``delay`` later, under either clock: "what if this policy sat behind a slow line?"."""

    def __init__(self, inner: Controller, delay: LatencyModel) -> None:
        self._inner = inner
        self._delay = delay
        self._stream: LatencyStream = Constant(0).stream(0)

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner`` and of the delays."""
        self._inner.reset(seed)
        self._stream = self._delay.stream(seed)

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner`` and put the delay on top of what it has itself."""
        decision = self._inner.decide(observation)
        return decision._replace(delay=decision.delay + self._stream.next(observation.tick, 0))


LONGEST_DISTURBANCE_TICKS = 4

_SALT = 0x6E6F697365
"""Keeps the disturbances' random numbers apart from the environment's ("noise" in ASCII)."""


class Disturbed:
    """Does as ``inner`` says, but now and then holds some other action for a few ticks, drawn from the episode's seed.

    At a tick without a disturbance one begins with probability ``chance``: from the next tick on, any of the
    ``actions`` is held for 1 to `LONGEST_DISTURBANCE_TICKS` ticks. ``inner`` is asked at every tick all the same.
    """

    def __init__(self, inner: Controller, actions: int, chance: float) -> None:
        self._inner = inner
        self._actions = actions
        self._chance = chance
        self._begin(0)

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner`` and of the disturbances."""
        self._inner.reset(seed)
        self._begin(seed)

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner``, and do that unless disturbed."""
        wanted = self._inner.decide(observation)
        if self._ticks_left:
            self._ticks_left -= 1
            return Decision(self._disturbance, at_tick=wanted.at_tick)
        if self._rng.random() < self._chance:
            self._disturbance = int(self._rng.integers(self._actions))
            self._ticks_left = int(self._rng.integers(1, LONGEST_DISTURBANCE_TICKS, endpoint=True))
        return wanted

    def _begin(self, seed: int) -> None:
        self._rng = np.random.default_rng([_SALT, seed])
        self._disturbance, self._ticks_left = 0, 0
