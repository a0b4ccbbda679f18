"""A controller of one's own: `ontick eval cartpole python:docs/examples/angle_only.py:AngleOnly`."""

from __future__ import annotations

from ontick.controllers.base import Decision, Observation
from ontick.tasks.base import Task


class AngleOnly:
    """Pushes the cart to the side to which the pole leans, and forgets how fast it falls."""

    def __init__(self, task: Task) -> None:
        """Take the task that is flown; it knows the actions' names and the observation's features."""
        self.task = task

    def reset(self, seed: int) -> None:
        """Begin an episode."""

    def decide(self, observation: Observation) -> Decision:
        """Answer one observation."""
        return Decision(int(observation.state[2] > 0))
