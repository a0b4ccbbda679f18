"""Which disturbance is mixed into a flight that data is collected from, so that it shows how to recover?

``none``; ``actions:P``: at each tick, with probability P, some random action is held for the next 1 to 4 ticks
(`Disturbed`); ``pushes:P``: at each tick, with probability P, the body is given a random blow (`Task.push`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ontick.controllers.base import Controller
from ontick.controllers.wrappers import Disturbed
from ontick.errors import OntickError
from ontick.tasks.base import Environment, Task


class NoiseKind(StrEnum):
    """What is disturbed."""

    NONE = "none"
    ACTIONS = "actions"
    PUSHES = "pushes"


@dataclass(frozen=True)
class Noise:
    """A disturbance; everything random about it comes from the episode's seed."""

    kind: NoiseKind = NoiseKind.NONE
    chance: float = 0.0
    """Of a disturbance beginning at a tick."""

    @staticmethod
    def parse(word: str) -> Noise:
        """Return the noise that ``none``, ``actions:P`` or ``pushes:P`` names.

        Raises:
            OntickError: it names none.
        """
        kind, _, said = word.partition(":")
        if word == NoiseKind.NONE:
            return Noise()
        try:
            noise = Noise(NoiseKind(kind), float(said))
        except ValueError:
            noise = Noise()
        if noise.kind is NoiseKind.NONE or not 0 < noise.chance <= 1:
            raise OntickError(
                f"bad noise {word!r}; write none, actions:0.1 or pushes:0.05 (a probability for each tick)"
            )
        return noise

    def __str__(self) -> str:
        return self.kind.value if self.kind is NoiseKind.NONE else f"{self.kind}:{self.chance}"

    def around(self, controller: Controller, task: Task) -> Controller:
        """Return what flies: ``controller``, disturbed if this noise is of actions."""
        if self.kind is NoiseKind.ACTIONS:
            return Disturbed(controller, len(task.actions), self.chance)
        return controller

    def make(self, task: Task) -> Environment:
        """Return a new environment, with blows if this noise is of pushes.

        Raises:
            OntickError: the task's body cannot be pushed.
        """
        env = task.make()
        if self.kind is not NoiseKind.PUSHES:
            return env
        from ontick.learning.pushes import Pushed  # Gymnasium is loaded with the first environment, not before

        env.reset(seed=0)
        task.push(env, np.random.default_rng(0))  # so that a task that cannot be pushed says so before it flies
        return Pushed(env, task, self.chance)
