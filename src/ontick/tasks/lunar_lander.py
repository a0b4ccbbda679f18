"""LunarLander-v3 at its own 50 Hz, with Gymnasium's heuristic as teacher."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from gymnasium.envs.box2d import lunar_lander

from ontick.records import Episode, State
from ontick.tasks.base import Ending, Environment, Feature, Task

_gymnasium: Any = lunar_lander
"""Gymnasium leaves its heuristic untyped."""

TIME_LIMIT_STEPS = 1000
SOLVED_REWARD = 200.0


def _landed(episode: Episode) -> bool:
    return episode.reward > 0


def _solved(episode: Episode) -> bool:
    return episode.reward >= SOLVED_REWARD


def _timed_out(episode: Episode) -> bool:
    return episode.steps >= TIME_LIMIT_STEPS


class LunarLander(Task):
    """Land softly between the flags with one main and two side engines."""

    name: ClassVar = "lunarlander"
    env_id: ClassVar = "LunarLander-v3"
    tick_s: ClassVar = 0.02  # 1 / lunar_lander.FPS
    actions: ClassVar = ("nothing", "left engine", "main engine", "right engine")
    noop: ClassVar = 0
    noop_name: ClassVar = "nothing"
    initial_action: ClassVar = 0
    features: ClassVar = (
        Feature("x", "", 2, 1.2),
        Feature("y", "", 2, 1.5),
        Feature("vx", "", 2, 1.8),
        Feature("vy", "", 2, 1.8),
        Feature("angle", "rad", 2, 1.2),
        Feature("spin", "", 2, 1.8),
        Feature("left leg", "", 0),
        Feature("right leg", "", 0),
    )
    instruction: ClassVar = (
        "You land a spacecraft at x = 0, y = 0, upright and slowly. The main engine slows the fall, "
        "the left engine turns it to the right, the right engine to the left."
    )
    success: ClassVar = "landed"

    @property
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        """``landed``: positive total reward; ``solved``: at least 200; ``timeouts``: the time limit was reached."""
        return {"landed": _landed, "solved": _solved, "timeouts": _timed_out}

    def outcome(self, ending: Ending) -> str:
        """Return ``timeout`` (hovered to the limit), ``solved``, ``landed`` or ``crash``."""
        if ending.steps >= TIME_LIMIT_STEPS:
            return "timeout"
        if ending.reward >= SOLVED_REWARD:
            return "solved"
        return "landed" if ending.reward > 0 else "crash"

    def teacher(self, env: Environment, observation: State) -> int:
        """Ask Gymnasium's own heuristic."""
        return int(_gymnasium.heuristic(env, observation))
