"""What do both sides of the punctuality benchmark fly? A world that only notes when it is told its actions.

`StillTask` and `StillEnv` are that world as Ontick has it, `StillInterface` as rtgym has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from ontick.clock import NS_PER_S, Nanoseconds
from ontick.controllers.base import Observation
from ontick.records import Episode, State
from ontick.tasks.base import Ending, Feature, Task

TICK_S = 0.02
FEATURES = ("x", "v", "angle", "spin")


class StillWorld:
    """Its states are drawn beforehand, one for each tick, so that a model always has new tokens to read."""

    def __init__(self, ticks: int) -> None:
        self.told_ns: list[Nanoseconds] = []
        self._states = np.random.default_rng(0).normal(scale=0.5, size=(ticks + 1, len(FEATURES)))

    def tell(self) -> None:
        """Take an action."""
        self.told_ns.append(time.perf_counter_ns())

    def look(self) -> Observation:
        """Return the newest state."""
        tick = len(self.told_ns)
        return Observation(self._states[tick], tick)


class StillEnv(gym.Env[State, np.int64]):
    """The world as a Gymnasium environment."""

    def __init__(self, world: StillWorld, ticks: int) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (len(FEATURES),))
        self.action_space = spaces.Discrete(2)
        self._world = world
        self._ticks = ticks

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[State, dict[str, Any]]:
        """Begin."""
        return self._world.look().state, {}

    def step(self, action: np.int64) -> tuple[State, float, bool, bool, dict[str, Any]]:
        """Take an action; the last one ends the episode."""
        self._world.tell()
        return self._world.look().state, 1.0, False, len(self._world.told_ns) == self._ticks, {}


class StillTask(Task):
    """The world as a task; nothing can go wrong in it."""

    name: ClassVar = "still"
    tick_s: ClassVar = TICK_S
    actions: ClassVar = ("left", "right")
    noop: ClassVar = 0
    noop_name: ClassVar = "left"
    initial_action: ClassVar = 0
    features: ClassVar = tuple(Feature(name, "", 2) for name in FEATURES)
    instruction: ClassVar = "A pole stands on a cart. Push the cart to the side to which the pole is falling."
    success: ClassVar = "flown"

    @property
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        """``flown``: always."""
        return {"flown": lambda episode: True}

    def outcome(self, ending: Ending) -> str:
        """Return ``flown``."""
        return "flown"


class StillInterface:
    """The world as an interface of rtgym, which also asks ``next_due_s`` at each action when that was due."""

    def __init__(self, world: StillWorld) -> None:
        self.due_ns: list[Nanoseconds] = []
        self.next_due_s: Callable[[], float] = time.perf_counter
        self._world = world

    def send_control(self, control: object) -> None:
        """Take an action."""
        self._world.tell()
        self.due_ns.append(round(self.next_due_s() * NS_PER_S))

    def reset(self, seed: int | None = None, options: object = None) -> tuple[list[State], dict[str, Any]]:
        """Begin."""
        return [self._world.look().state], {}

    def get_obs_rew_terminated_info(self) -> tuple[list[State], float, bool, dict[str, Any]]:
        """Return the newest state."""
        return [self._world.look().state], 1.0, False, {}

    def get_observation_space(self) -> gym.Space[Any]:
        """Return what a state may be."""
        return spaces.Tuple([spaces.Box(-np.inf, np.inf, (len(FEATURES),))])

    def get_action_space(self) -> gym.Space[Any]:
        """Return what an action may be."""
        return spaces.Box(0.0, 1.0, (1,))

    def get_default_action(self) -> npt.NDArray[np.float32]:
        """Return what is applied first."""
        return np.zeros(1, dtype=np.float32)
