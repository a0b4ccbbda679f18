"""How is the body that flies given random blows? By an environment around its environment."""

from __future__ import annotations

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np

from ontick.tasks.base import Environment, Task

_SALT = 0x70757368
"""Keeps the pushes' random numbers apart from the environment's ("push" in ASCII)."""


class Pushed(gym.Wrapper[Any, Any, Any, Any]):
    """An environment whose body is pushed now and then, just before a step."""

    def __init__(self, env: Environment, task: Task, chance: float) -> None:
        super().__init__(env)
        self._task = task
        self._chance = chance
        self._rng = np.random.default_rng(0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode whose blows come from ``seed``."""
        self._rng = np.random.default_rng(None if seed is None else [_SALT, seed])
        return self.env.reset(seed=seed, options=options)

    def step(self, action: int) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Push or not, then step."""
        if self._rng.random() < self._chance:
            self._task.push(self.env, self._rng)
        return self.env.step(action)
