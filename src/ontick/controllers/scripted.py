"""The controllers that need no model: the task's teacher, no one at all, and chance."""

from __future__ import annotations

import numpy as np

from ontick.controllers.base import Decision, Observation
from ontick.tasks.base import Task


class Teacher:
    """The task's own teacher, reading the constants of an environment of its own, never the flown one's state."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._env = task.make()

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def decide(self, observation: Observation) -> Decision:
        """Do what the teacher says."""
        return Decision(self._task.teacher(self._env, observation.state))


class Nobody:
    """Never answers: what the late rule does on its own."""

    def reset(self, seed: int) -> None:
        """Nothing to forget."""

    def decide(self, observation: Observation) -> Decision:
        """Answer nothing."""
        return Decision(None)


class Chance:
    """Any action with equal probability."""

    def __init__(self, task: Task) -> None:
        self._actions = len(task.actions)
        self._rng = np.random.default_rng(0)

    def reset(self, seed: int) -> None:
        """Draw from the episode's seed on."""
        self._rng = np.random.default_rng([_SALT, seed])

    def decide(self, observation: Observation) -> Decision:
        """Draw an action."""
        return Decision(int(self._rng.integers(self._actions)))


_SALT = 0x6368616E6365
"""Keeps chance's random numbers apart from the environment's ("chance" in ASCII)."""
