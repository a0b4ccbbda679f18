"""Who answers on a lane now, and how much later? The controller, or a person in its place; both may be delayed."""

from __future__ import annotations

from ontick.clock import Nanoseconds
from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.scripted import Nobody


class Seat:
    """Answers as its controller does, or while ``taken`` as a person's keys say; set these from any thread.

    A person answers every observation with the action of the key that is held then, and is silent when none is, so that
    the late rule decides. What the controller was asked before its place was taken it has not said.
    """

    def __init__(self) -> None:
        self.controller: Controller = Nobody()
        """Set it before the flight."""
        self.taken = False
        self.held: int | None = None
        """The action of the key that is held; None: of none."""
        self.delay: Nanoseconds = 0
        """Added to what an answer takes by itself."""

    def reset(self, seed: int) -> None:
        """Begin an episode of the controller."""
        self.controller.reset(seed)

    def decide(self, observation: Observation) -> Decision:
        """Answer with the key that is held, or ask the controller."""
        decision = Decision(self.held) if self.taken else self._ask(observation)
        delay = self.delay
        return decision._replace(delay=decision.delay + delay) if delay else decision

    def _ask(self, observation: Observation) -> Decision:
        decision = self.controller.decide(observation)
        return Decision(None) if self.taken else decision
