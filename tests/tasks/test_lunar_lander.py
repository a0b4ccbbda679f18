from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.box2d import lunar_lander

from ontick.contracts import TaskContract
from ontick.controllers.scripted import Teacher
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.records import Episode
from ontick.tasks.base import Ending
from ontick.tasks.lunar_lander import TIME_LIMIT_STEPS, LunarLander


class TestLunarLander(TaskContract):
    def make_task(self) -> LunarLander:
        return LunarLander()


def test_the_constants_are_the_environments_own() -> None:
    env: Any = gym.make("LunarLander-v3")
    assert LunarLander.tick_s == 1 / lunar_lander.FPS
    assert env.spec.max_episode_steps == TIME_LIMIT_STEPS
    assert env.action_space.n == len(LunarLander.actions)


def test_each_leg_is_called_by_the_side_on_which_it_stands() -> None:
    env: Any = gym.make("LunarLander-v3")
    env.reset(seed=0)
    names = [feature.name for feature in LunarLander.features[6:]]
    body = env.unwrapped.lander.position.x
    assert names == ["right leg" if leg.position.x > body else "left leg" for leg in env.unwrapped.legs]


def test_the_teacher_lands_on_fifty_seeds_as_it_does_in_gymnasium() -> None:
    task = LunarLander()
    env, teacher = task.make(), Teacher(task)
    flights = [fly(task, env, teacher, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=s) for s in range(50)]
    episodes = [flight.episode for flight in flights]
    assert sum(task.measures["landed"](episode) for episode in episodes) == 50
    assert sum(task.measures["solved"](episode) for episode in episodes) >= 45
    assert np.mean([episode.reward for episode in episodes]) == pytest.approx(264.6, abs=5)


@pytest.mark.parametrize(
    ("steps", "reward", "outcome", "landed", "solved", "timed_out"),
    [
        (300, 250.0, "solved", True, True, False),
        (300, 200.0, "solved", True, True, False),
        (300, 199.9, "landed", True, False, False),
        (80, -120.0, "crash", False, False, False),
        (80, 0.0, "crash", False, False, False),
        (1000, -30.0, "timeout", False, False, True),
        (1000, 60.0, "timeout", True, False, True),
    ],
)
def test_landed_solved_timeout_and_crash_are_told_apart(
    steps: int, reward: float, outcome: str, landed: bool, solved: bool, timed_out: bool
) -> None:
    task = LunarLander()
    assert task.outcome(Ending(steps, reward, np.zeros(8), steps == 1000)) == outcome
    episode = Episode(0, steps, reward, outcome, steps, 0, 0, 0)
    assert {name: counts(episode) for name, counts in task.measures.items()} == {
        "landed": landed,
        "solved": solved,
        "timeouts": timed_out,
    }


@pytest.mark.parametrize(("action", "sign"), [(1, 1), (3, -1)])
def test_the_side_engines_turn_it_as_the_prompt_says(action: int, sign: int) -> None:
    task = LunarLander()
    side = task.actions[action].removesuffix(" engine")
    assert (
        f"{side} engine turns it to the {side}" in task.instruction
        or f"{side} engine to the {side}" in task.instruction
    )
    assert "positive to the left" in task.instruction
    for seed in range(5):
        assert sign * _pushed(task, seed, [action] * 10)[5] > 0.1  # spin
        # Tilted to that side, the main engine drives it to that side too.
        turned, upright = (_pushed(task, seed, [*turn, *[2] * 30])[2] for turn in ([action] * 8, []))
        assert sign * (upright - turned) > 0.1  # vx


def _pushed(task: LunarLander, seed: int, actions: list[int]) -> list[float]:
    """Return by how much each part of the state changes."""
    env = task.make()
    before = env.reset(seed=seed)[0].tolist()
    after = [env.step(action)[0].tolist() for action in actions][-1]
    return [b - a for a, b in zip(before, after, strict=True)]
