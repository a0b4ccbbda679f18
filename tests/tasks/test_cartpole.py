from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontick.contracts import TaskContract
from ontick.controllers.scripted import Teacher
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.tasks.base import Ending
from ontick.tasks.cartpole import ANGLE_LIMIT_RAD, PERFECT_STEPS, ZERO_FORCE, CartPole


class TestCartPole(TaskContract):
    def make_task(self) -> CartPole:
        return CartPole()


def test_the_constants_are_the_environments_own() -> None:
    env: Any = gym.make("CartPole-v1")
    assert env.unwrapped.tau == CartPole.tick_s
    assert env.unwrapped.theta_threshold_radians == pytest.approx(ANGLE_LIMIT_RAD, abs=1e-4)
    assert env.spec.max_episode_steps == PERFECT_STEPS


@given(st.integers(0, 2**31 - 1), st.lists(st.integers(0, 1), min_size=1, max_size=60))
@settings(max_examples=30)
def test_pushes_are_gymnasiums_own_state_for_state(seed: int, actions: list[int]) -> None:
    plain: Any = gym.make("CartPole-v1")
    ours = CartPole().make()
    assert np.array_equal(plain.reset(seed=seed)[0], ours.reset(seed=seed)[0])
    for action in actions:
        (a, *rest_a), (b, *rest_b) = plain.step(action), ours.step(action)
        assert np.array_equal(a, b)
        assert rest_a == rest_b
        if rest_a[1]:
            break


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=30)
def test_zero_force_is_the_standard_equations_without_a_force(seed: int) -> None:
    env: Any = CartPole().make()
    env.reset(seed=seed)
    cart = env.unwrapped
    x, v, angle, spin = cart.state
    pole_ml, total = cart.masspole * cart.length, cart.masscart + cart.masspole
    push = pole_ml * spin**2 * np.sin(angle) / total
    turn = (cart.gravity * np.sin(angle) - np.cos(angle) * push) / (
        cart.length * (4 / 3 - cart.masspole * np.cos(angle) ** 2 / total)
    )
    slide = push - pole_ml * turn * np.cos(angle) / total
    env.step(ZERO_FORCE)
    expected = [x + 0.02 * v, v + 0.02 * slide, angle + 0.02 * spin, spin + 0.02 * turn]
    assert cart.state == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert cart.force_mag == 10.0


def test_the_teacher_is_perfect_on_fifty_seeds() -> None:
    task = CartPole()
    env, teacher = task.make(), Teacher(task)
    flights = [fly(task, env, teacher, VirtualTime(Constant(0)), late=LateRule.HOLD, seed=s) for s in range(50)]
    assert [flight.episode.outcome for flight in flights] == ["perfect"] * 50


@pytest.mark.parametrize(
    ("steps", "x", "angle", "outcome"), [(500, 0, 0, "perfect"), (37, 0.3, -0.21, "fell"), (300, -2.41, 0.1, "ran off")]
)
def test_outcomes_are_told_apart(steps: int, x: float, angle: float, outcome: str) -> None:
    assert CartPole().outcome(Ending(steps, float(steps), np.array([x, 0, angle, 0]), False)) == outcome
