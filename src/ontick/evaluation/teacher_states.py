"""Which states does a disturbed teacher pass through, and what does it want there?

A teacher that flies undisturbed sees few kinds of states: it never gets into trouble. So now and then some other
action is held for a few ticks, and the teacher has to recover; every state is labelled with what the teacher
wants there, disturbed or not (noise injection: Laskey et al., "DART", 2017).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ontick.controllers.base import Decision, Observation
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.records import Episode, State
from ontick.tasks.base import Environment, Task

DISTURBANCE_CHANCE = 0.05
"""Of a disturbance beginning at a tick that has none."""

LONGEST_DISTURBANCE_TICKS = 4

_SALT = 0x6E6F697365
"""Keeps the disturbances' random numbers apart from the environment's ("noise" in ASCII)."""


class TeacherState(NamedTuple):
    """A state and what the teacher wants there."""

    state: State
    """Shape (features,), as the environment gave it."""
    action: int


class DisturbedTeacher:
    """The task's teacher, some of whose actions are replaced; `states` is what it saw of the episode so far."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._env = task.make()
        self.reset(0)

    def reset(self, seed: int) -> None:
        """Begin an episode whose disturbances come from ``seed``."""
        self.states: list[TeacherState] = []
        self._rng = np.random.default_rng([_SALT, seed])
        self._disturbance, self._ticks_left = 0, 0

    def decide(self, observation: Observation) -> Decision:
        """Note what the teacher wants, and do that unless disturbed."""
        wanted = int(self._task.teacher(self._env, observation.state))
        self.states.append(TeacherState(observation.state, wanted))
        if self._ticks_left:
            self._ticks_left -= 1
            return Decision(self._disturbance)
        if self._rng.random() < DISTURBANCE_CHANCE:
            self._disturbance = int(self._rng.integers(len(self._task.actions)))
            self._ticks_left = int(self._rng.integers(1, LONGEST_DISTURBANCE_TICKS, endpoint=True))
        return Decision(wanted)


def disturbed_flight(
    task: Task, env: Environment, teacher: DisturbedTeacher, seed: int
) -> tuple[Episode, list[TeacherState]]:
    """Fly one episode with time frozen; return it and its states in order."""
    flight = fly(task, env, teacher, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed)
    return flight.episode, teacher.states
