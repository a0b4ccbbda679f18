"""What is a forward model fitted to? Flights that show what every action does, the no-op too, in good states and bad.

Where the task has a teacher it flies a quarter of the episodes, and two more quarters with `SLIGHT` and `STRONG`
disturbances (`Disturbed`); the rest are chance's, with random actions held for a few ticks now and then. Without a
teacher, all are. Each episode's last change is left out: an environment may do anything to a state at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.scripted import Chance, Teacher
from ontick.controllers.wrappers import Disturbed
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.forward.fitted import rows_of
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.tasks.base import Task

SLIGHT, STRONG, HELD = 0.1, 0.3, 0.5
"""How often a disturbance begins."""


class Trace(NamedTuple):
    """An episode as a forward model sees it."""

    states: npt.NDArray[np.float64]
    """Shape (n + 1, features)."""
    actions: npt.NDArray[np.int64]
    """What acted in each state but the last, shape (n,); the no-op is the last row where it lies beyond the actions."""


def fly_traces(task: Task, seeds: Sequence[int], progress: Progress = silent) -> list[Trace]:
    """Fly one episode for each seed with time frozen, the kinds of flights in turn; return those that say something.

    Raises:
        OntickError: an environment gave a state that is no number.
        KeyboardInterrupt: the user pressed Ctrl-C.
    """
    env, rows = task.make(), rows_of(task)
    pilots = _pilots(task, rows)
    traces: list[Trace] = []
    for number, seed in enumerate(seeds):
        pilot = pilots[number % len(pilots)]
        # Under this rule, whoever says nothing has the no-op applied.
        flight = fly(task, env, pilot, VirtualTime(Constant(0)), late=LateRule.NOOP, seed=seed)
        states = np.array([tick.observation for tick in flight.ticks], dtype=np.float64)
        actions = [tick.action if 0 <= tick.action < len(task.actions) else rows - 1 for tick in flight.ticks]
        if not np.isfinite(states).all():
            raise OntickError(f"{task.env_id} observes what is no number with seed {seed}; mend the environment")
        if len(states) > 1:
            traces.append(Trace(states, np.array(actions[:-1], dtype=np.int64)))
        progress(number + 1, len(seeds), f"{flight.episode.outcome} after {flight.episode.steps} steps")
    return traces


def _pilots(task: Task, rows: int) -> list[Controller]:
    """Return who flies, in turn."""

    def disturbed(controller: Controller, chance: float) -> Controller:
        return _Lapsing(Disturbed(controller, rows, chance), len(task.actions))

    if not task.has_teacher:
        return [disturbed(Chance(task), HELD)]
    teacher = Teacher(task)
    return [
        disturbed(teacher, SLIGHT),
        disturbed(teacher, STRONG),
        disturbed(Chance(task), HELD),
        teacher,
    ]


class _Lapsing:
    """Says nothing where ``inner`` wants the action beyond the last one."""

    def __init__(self, inner: Controller, actions: int) -> None:
        self._inner = inner
        self._actions = actions

    def reset(self, seed: int) -> None:
        self._inner.reset(seed)

    def decide(self, observation: Observation) -> Decision:
        decision = self._inner.decide(observation)
        return Decision(None) if decision.action == self._actions else decision
