"""CartPole's forward model against the environment itself."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.tasks.base import Environment
from ontick.tasks.cartpole import ZERO_FORCE, CartPole

STATES = st.tuples(*(st.floats(-limit, limit, width=32) for limit in (2.5, 3.0, 0.25, 3.5)))
ACTIONS = st.lists(st.sampled_from((0, 1, ZERO_FORCE)), max_size=25)


class Changed(CartPole):
    def __init__(self, constants: dict[str, float], integrator: str) -> None:
        self.constants, self.integrator = constants, integrator

    def make(self) -> Environment:
        env = super().make()
        cart: Any = env.unwrapped
        for name, value in self.constants.items():
            setattr(cart, name, value)
        cart.kinematics_integrator = self.integrator
        return env


def flown(task: CartPole, state: tuple[float, ...], actions: list[int]) -> list[float]:
    """Return where the environment itself comes to, past its own ends too."""
    env = task.make()
    env.reset(seed=0)
    cart = cast(Any, env.unwrapped)
    cart.x_threshold = cart.theta_threshold_radians = np.inf
    cart.state = np.array(state, dtype=np.float64)
    for action in actions:
        env.step(action)
    return cart.state.tolist()


@given(state=STATES, actions=ACTIONS)
def test_it_is_the_environment_to_float32_rounding(state: tuple[float, ...], actions: list[int]) -> None:
    task = CartPole()
    observed = np.array(state, dtype=np.float32)
    predicted = task.predict(observed, actions)
    assert predicted.dtype == observed.dtype
    assert predicted.tolist() == np.array(flown(task, state, actions), dtype=np.float32).tolist()


CONSTANTS = {
    "gravity": 3.7,
    "total_mass": 2.5,
    "masspole": 0.3,
    "length": 0.8,
    "polemass_length": 0.24,
    "force_mag": 7.0,
    "tau": 0.01,
}


@pytest.mark.parametrize("integrator", ["euler", "semi-implicit euler"])
@pytest.mark.parametrize("name", [*CONSTANTS, "none of them"])
def test_it_follows_the_environment_when_its_constants_change(name: str, integrator: str) -> None:
    task = Changed({name: CONSTANTS[name]} if name in CONSTANTS else {}, integrator)
    state, actions = (0.1, -0.5, 0.05, 0.7), [1, 0, ZERO_FORCE, 1, 1, 0]
    predicted = task.predict(np.array(state), actions)
    assert predicted.tolist() == pytest.approx(flown(task, state, actions), rel=1e-12)
    if name in CONSTANTS or integrator != "euler":
        assert predicted.tolist() != pytest.approx(CartPole().predict(np.array(state), actions).tolist(), rel=1e-6)
