"""LunarLander's forward model against Box2D itself, whose dispersion of the engines can be switched off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pytest

from ontick.records import State
from ontick.tasks import lunar_lander_dynamics as dynamics
from ontick.tasks.base import Environment
from ontick.tasks.lunar_lander import LunarLander

TASK = LunarLander()
SETTLED_TICKS = 30
"""By then the legs, which reset leaves open, are at their stops."""


class NoDispersion:
    """Draws what the environment draws, and always its mean."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


def settled(seed: int) -> tuple[Environment, State]:
    """Return an environment that draws no dispersion any more, some ticks into an episode."""
    env = TASK.make()
    env.reset(seed=seed)
    cast(Any, env.unwrapped).np_random = NoDispersion()
    for _ in range(SETTLED_TICKS - 1):
        env.step(0)
    return env, env.step(0)[0]


def flown(env: Environment, actions: Sequence[int]) -> State:
    return [env.step(action)[0] for action in actions][-1]


def test_the_body_is_the_environments() -> None:
    env: Any = TASK.make().unwrapped
    env.reset(seed=0)
    assert env.lander.mass == pytest.approx(dynamics.HULL_KG, rel=1e-6)
    assert env.lander.localCenter.y == pytest.approx(dynamics.HULL_CENTRE_M, rel=1e-5)
    about_origin = dynamics.HULL_INERTIA + dynamics.HULL_KG * dynamics.HULL_CENTRE_M**2
    assert env.lander.inertia == pytest.approx(about_origin, rel=1e-5)
    assert env.world.gravity.y == dynamics.GRAVITY
    for leg in env.legs:
        assert leg.mass == pytest.approx(dynamics.LEG_KG, rel=1e-6)
        assert leg.inertia == pytest.approx(dynamics.LEG_INERTIA, rel=1e-5)
        joint, fixture = leg.joint, leg.fixtures[0]
        reference = joint.angle - (leg.angle - env.lander.angle)
        stops = sorted(abs(limit - reference) for limit in joint.limits)
        assert stops == pytest.approx([dynamics.LEG_STOP, dynamics.LEG_OPEN], abs=1e-6)
        assert abs(joint.motorSpeed) == pytest.approx(dynamics.LEG_RATE)
        ground = env.moon.fixtures[5]
        assert (fixture.friction * ground.friction) ** 0.5 == pytest.approx(dynamics.FRICTION, rel=1e-6)
        assert fixture.shape.radius + ground.shape.radius == pytest.approx(dynamics.SKIN_M, rel=1e-5)
        level = [y for shape in (env.moon.fixtures[5].shape, env.moon.fixtures[6].shape) for _, y in shape.vertices]
        assert level == pytest.approx([dynamics.GROUND_M] * 4, rel=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_flight_is_box2ds_but_for_the_dispersion(seed: int) -> None:
    rng = np.random.default_rng(seed)
    env, state = settled(seed)
    for ticks in (1, 1, 5, 15):
        actions: list[int] = rng.integers(4, size=ticks).tolist()
        predicted = TASK.predict(state, actions)
        state = flown(env, actions)
        assert predicted[:6] == pytest.approx(state[:6], abs=2e-5 * ticks)
        assert predicted[6:].tolist() == [0, 0]


def test_dispersion_leaves_the_mean_where_it_is() -> None:
    env = TASK.make()
    ends: list[npt.NDArray[np.float64]] = []
    for seed in range(150):
        state, _ = env.reset(seed=7)  # the same start
        cast(Any, env.unwrapped).np_random = np.random.default_rng(seed)
        actions = [2, 1, 2, 0, 3, 2, 1, 1, 2, 2] * 2
        ends.append(flown(env, actions) - TASK.predict(state, actions))
    mean, error = np.mean(ends, axis=0)[:6], np.std(ends, axis=0)[:6] / len(ends) ** 0.5
    assert np.all(np.abs(mean) < 4 * error + 2e-3)


def test_gravity_is_the_environments_own() -> None:
    class Moon(LunarLander):
        def make(self) -> Environment:
            env = super().make()
            cast(Any, env.unwrapped).gravity = -1.6
            return env

    state = np.array([0, 1, 0, 0, 0, 0, 0, 0], dtype=np.float32)
    fallen, on_moon = TASK.predict(state, [0])[3], Moon().predict(state, [0])[3]
    assert on_moon == pytest.approx(0.16 * fallen)


def test_it_stands_still_on_the_pad() -> None:
    env = TASK.make()
    state, _ = env.reset(seed=0)
    over, last = False, state
    while not over:
        last = state
        state, _, over, _, _ = env.step(TASK.teacher(env, state))
    assert abs(float(last[0])) < 0.1
    standing = TASK.predict(last, [0] * 50)
    assert standing[:6] == pytest.approx(last[:6], abs=5e-3)
    assert standing[6:].tolist() == last[6:].tolist()


@pytest.mark.parametrize(("vx", "tilt"), [(0.0, 0.0), (0.1, 0.15), (-0.2, -0.1)])
def test_it_comes_down_on_the_pad_as_box2d_does(vx: float, tilt: float) -> None:
    env, state = placed(y=0.05, vx=vx, vy=-0.1, tilt=tilt)
    for brake in ([0] * 5, [2, 0, 0] * 2, [0] * 8, [0] * 8, [0] * 50, [0] * 20):
        predicted, state = TASK.predict(state, brake), flown(env, brake)
        assert predicted[:2] == pytest.approx(state[:2], abs=0.02)
        assert predicted[4] == pytest.approx(state[4], abs=0.06)
    assert state[6:].tolist() == predicted[6:].tolist() == [1, 1]
    assert np.abs(state[2:6]).max() < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_what_a_leg_meets_off_the_pad_is_the_ground_there(seed: int) -> None:
    state = np.array([0.6, 0.2 + 0.1 * seed, 0, 0, 0, 0, 1, 1], dtype=np.float32)
    assert TASK.predict(state, [0] * 10) == pytest.approx(state, abs=5e-3)


def test_no_actions_and_shared_ones_compose_in_the_air() -> None:
    _, state = settled(0)
    first, then = [2, 1, 0, 3], [0, 2, 2, 1, 3]
    assert TASK.predict(state, []).tolist() == state.tolist()
    assert TASK.predict(TASK.predict(state, first), then) == pytest.approx(TASK.predict(state, first + then), abs=1e-5)


def placed(*, y: float, vx: float, vy: float, tilt: float) -> tuple[Environment, State]:
    """Return an environment whose lander has been put over the middle of the pad, and what it observes there."""
    env, _ = settled(3)
    lander_env: Any = env.unwrapped
    bodies: list[Any] = [lander_env.lander, *lander_env.legs]
    before = np.array(bodies[0].position)
    pivot = np.array((dynamics.X_M, y * dynamics.Y_M + dynamics.ORIGIN_M))
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    for body in bodies:
        body.position = tuple((pivot + turn @ (np.array(body.position) - before)).tolist())
        body.angle += tilt
        body.linearVelocity = (vx / dynamics.V_X, vy / dynamics.V_Y)
        body.angularVelocity = 0.0
    return env, env.step(0)[0]
