"""Controllers made from controllers: the same policy, answered later."""

from __future__ import annotations

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
