"""Which states does a disturbed teacher pass through, and what does it want there?

A teacher that flies undisturbed sees few kinds of states: it never gets into trouble. So now and then some other
action is held for a few ticks, and the teacher has to recover; every state is labelled with what the teacher
wants there, disturbed or not (noise injection: Laskey et al., "DART", 2017).
"""

from __future__ import annotations

from typing import NamedTuple

from ontick.controllers.base import Decision, Observation
from ontick.controllers.scripted import Teacher
from ontick.controllers.wrappers import Disturbed
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.records import Episode, State
from ontick.tasks.base import Environment, Task

DISTURBANCE_CHANCE = 0.05
"""Of a disturbance beginning at a tick that has none."""


class TeacherState(NamedTuple):
    """A state and what the teacher wants there."""

    state: State
    """Shape (features,), as the environment gave it."""
    action: int


class DisturbedTeacher(Disturbed):
    """The task's teacher, some of whose actions are replaced; `states` is what it saw of the episode so far."""

    def __init__(self, task: Task) -> None:
        self._teacher = _Noting(task)
        super().__init__(self._teacher, len(task.actions), DISTURBANCE_CHANCE)

    @property
    def states(self) -> list[TeacherState]:
        """What the teacher saw and wanted."""
        return self._teacher.states


class _Noting(Teacher):
    """The teacher, taking notes."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.states: list[TeacherState] = []

    def reset(self, seed: int) -> None:
        self.states = []

    def decide(self, observation: Observation) -> Decision:
        decision = super().decide(observation)
        self.states.append(TeacherState(observation.state, int(decision.action or 0)))
        return decision


def disturbed_flight(
    task: Task, env: Environment, teacher: DisturbedTeacher, seed: int
) -> tuple[Episode, list[TeacherState]]:
    """Fly one episode with time frozen; return it and its states in order."""
    flight = fly(task, env, teacher, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=seed)
    return flight.episode, teacher.states
