"""Small worlds and controllers for the tests of the loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

from ontick.controllers.base import Decision, Observation
from ontick.records import Episode, Flight, State
from ontick.tasks.base import Ending, Environment, Feature, Task


class Counting(gym.Env[Any, Any]):
    """Counts its steps; the observation says how many, and what the last action was."""

    action_space = gym.spaces.Discrete(4)
    observation_space = gym.spaces.Box(-1, 1e6, (2,))

    def __init__(self, length: int, on_step: Callable[[int], None] = lambda step: None) -> None:
        self.length, self.on_step, self.steps = length, on_step, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[State, dict[str, Any]]:
        self.steps = 0
        return np.array([0.0, -1.0]), {}

    def step(self, action: int) -> tuple[State, float, bool, bool, dict[str, Any]]:
        self.on_step(self.steps)
        self.steps += 1
        return np.array([self.steps, action], dtype=float), 1.0, self.steps >= self.length, False, {}


class CountingTask(Task):
    name: ClassVar = "counting"
    env_id: ClassVar = "Counting-v0"
    tick_s: ClassVar = 0.02
    actions: ClassVar = ("zero", "one", "two")
    noop: ClassVar = 3
    noop_name: ClassVar = "nothing"
    initial_action: ClassVar = 0
    features: ClassVar = (Feature("steps", "", 0), Feature("last action", "", 0))
    instruction: ClassVar = "Count."
    success: ClassVar = "counted"

    def __init__(self, length: int = 20, on_step: Callable[[int], None] = lambda step: None) -> None:
        self.length, self.on_step = length, on_step

    @property
    def measures(self) -> Mapping[str, Callable[[Episode], bool]]:
        return {"counted": lambda episode: episode.steps >= self.length}

    def outcome(self, ending: Ending) -> str:
        return "counted"

    def make(self) -> Environment:
        return Counting(self.length, self.on_step)


class Policy:
    """A pure function of the state as a controller."""

    def __init__(self, choose: Callable[[State], int | None]) -> None:
        self.choose = choose
        self.seen: list[Observation] = []

    def reset(self, seed: int) -> None:
        self.seen = []

    def decide(self, observation: Observation) -> Decision:
        self.seen.append(observation)
        return Decision(self.choose(observation.state))


def parity(state: State) -> int:
    """Answer with the observation's number modulo 3, so that an action tells which observation it is for."""
    return int(state[0]) % 3


def schedule(flight: Flight) -> list[tuple[int, str, int | None]]:
    return [(tick.action, tick.source.value, tick.observation_age_ticks) for tick in flight.ticks]
