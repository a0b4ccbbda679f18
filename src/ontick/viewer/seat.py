"""Who answers on a lane now, and how much later? The controller, or a person in its place; both may be delayed."""

from __future__ import annotations

from ontick.clock import Nanoseconds
from ontick.controllers.base import Controller, Decision, Observation


class Seat:
    """Answers as ``controller`` does, or as a person's keys say while ``taken``. Set both from any thread.

    A person answers every observation with the action of the key that is held then, and is silent when none is, so that
    the late rule decides. What the controller was asked before its place was taken it has not said.
    """

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self.taken = False
        self.held: int | None = None
        """The action of the key that is held; None: of none."""

    def reset(self, seed: int) -> None:
        """Begin an episode of the controller."""
        self._controller.reset(seed)

    def decide(self, observation: Observation) -> Decision:
        """Answer with the key that is held, or ask the controller."""
        if self.taken:
            return Decision(self.held)
        decision = self._controller.decide(observation)
        return Decision(None) if self.taken else decision


class Behind:
    """Answers as ``inner`` does, ``delay`` later, which may be changed in flight, from any thread."""

    def __init__(self, inner: Controller, delay: Nanoseconds) -> None:
        self._inner = inner
        self.delay = delay

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner``."""
        self._inner.reset(seed)

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner``, and put the delay on top of what it has itself."""
        decision = self._inner.decide(observation)
        delay = self.delay
        return decision._replace(delay=decision.delay + delay) if delay else decision
