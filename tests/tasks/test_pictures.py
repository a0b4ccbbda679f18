"""Laws of pictures: what is drawn is where the environment's own bodies are."""

from __future__ import annotations

from math import cos, sin
from typing import Any

import numpy as np
import pytest

from ontick.tasks.cartpole import CartPole
from ontick.tasks.gauges import gauges, needles
from ontick.tasks.lunar_lander import LunarLander
from ontick.tasks.lunar_lander_dynamics import LEFT, MAIN, NOTHING, RIGHT
from ontick.tasks.picture import Disc, Label, Line, Paint, Picture, Polygon, Pose, Poses

LANDER = LunarLander()


def in_world(picture: Picture, poses: Poses) -> list[tuple[Paint, list[tuple[float, float]]]]:
    """Every visible polygon of a moving body, put where its pose says; worked out here once more."""
    placed: list[tuple[Paint, list[tuple[float, float]]]] = []
    for body, pose in zip(picture.bodies, poses, strict=True):
        if pose is None:
            continue
        c, s = cos(pose.angle), sin(pose.angle)
        for shape in body:
            if isinstance(shape, Polygon):
                corners = [(pose.x + c * x - s * y, pose.y + s * x + c * y) for x, y in shape.points]
                placed.append((shape.paint, corners))
    return placed


def box2d_corners(body: Any) -> list[tuple[float, float]]:
    return [tuple(body.transform * vertex) for fixture in body.fixtures for vertex in fixture.shape.vertices]


def fly_lander(seed: int, steps: int) -> tuple[Any, Any]:
    env = LANDER.make()
    state, _ = env.reset(seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        state, _, ended, _, _ = env.step(int(rng.integers(4)))
        if ended:
            break
    return env, state


@pytest.mark.parametrize("seed", range(5))
def test_hull_and_legs_in_flight_are_where_box2d_has_them(seed: int) -> None:
    env, state = fly_lander(seed, 40)
    moon: Any = env.unwrapped
    assert not any(leg.ground_contact for leg in moon.legs)
    drawn = in_world(LANDER.picture(LANDER.scenery(env)), LANDER.poses(state, NOTHING))
    hull = next(corners for paint, corners in drawn if paint is Paint.BODY)
    legs = [corners for paint, corners in drawn if paint is Paint.TRIM]
    for drawn_body, true in ((hull, moon.lander), (legs[1], moon.legs[0]), (legs[0], moon.legs[1])):
        for corner in box2d_corners(true):
            assert min(np.hypot(corner[0] - x, corner[1] - y) for x, y in drawn_body) < 0.06


@pytest.mark.parametrize("seed", range(5))
def test_the_terrain_is_box2ds_from_edge_to_edge(seed: int) -> None:
    env, _ = fly_lander(seed, 0)
    moon: Any = env.unwrapped
    picture = LANDER.picture(LANDER.scenery(env))
    ground = next(shape for shape in picture.still if isinstance(shape, Polygon) and shape.paint is Paint.GROUND)
    true = [tuple(vertex) for fixture in moon.moon.fixtures for vertex in fixture.shape.vertices]
    for x, y in true:
        assert min(np.hypot(x - a, y - b) for a, b in (*ground.points, (0, 0))) < 1e-4
    pad = next(shape for shape in picture.still if isinstance(shape, Line) and shape.paint is Paint.MARK)
    assert [x for x, _ in pad.points] == pytest.approx([moon.helipad_x1, moon.helipad_x2])
    assert pad.points[0][1] == pytest.approx(moon.helipad_y)


@pytest.mark.parametrize("action", [LEFT, MAIN, RIGHT])
def test_a_flame_is_on_the_side_that_the_lander_is_pushed_from(action: int) -> None:
    env = LANDER.make()
    env.reset(seed=3)
    quiet, burning = (LANDER.make() for _ in range(2))
    before, _ = quiet.reset(seed=3)
    burning.reset(seed=3)
    rest, *_ = quiet.step(NOTHING)
    pushed, *_ = burning.step(action)
    change = (pushed - rest)[2:4]
    shown, hidden = (in_world(LANDER.picture(()), LANDER.poses(before, choice)) for choice in (action, NOTHING))
    assert not [corners for paint, corners in hidden if paint is Paint.FIRE]
    (flame,) = [corners for paint, corners in shown if paint is Paint.FIRE]
    hull = LANDER.poses(before, action)[-1]
    assert hull is not None
    offset = np.mean(flame, axis=0) - (hull.x, hull.y)
    axis = 1 if action == MAIN else 0
    assert offset[axis] * change[axis] < 0


def test_a_leg_on_the_ground_stands_out() -> None:
    for right, left in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        state = np.array([0, 0, 0, 0, 0, 0, right, left])
        drawn = in_world(LANDER.picture(()), LANDER.poses(state, None))
        alert = [np.mean(corners, axis=0)[0] > 10 for paint, corners in drawn if paint is Paint.ALERT]
        assert sorted(alert) == [False] * int(left) + [True] * int(right)


def test_the_pole_leans_to_the_right_where_its_angle_is_positive() -> None:
    task = CartPole()
    picture = task.picture(())
    *pushes, cart, pole = task.poses(np.array([0.7, 0.0, 0.1, 0.0]), 1)
    assert cart is not None
    assert pole is not None
    rod = next(shape for shape in picture.bodies[-1] if isinstance(shape, Line))
    tip_x, tip_y = rod.points[1]
    tip = (pole.x + cos(pole.angle) * tip_x - sin(pole.angle) * tip_y, pole.y + sin(pole.angle) * tip_x + tip_y)
    assert cart.x == pytest.approx(0.7)
    assert tip[0] - 0.7 == pytest.approx(2 * task.make().unwrapped.length * sin(0.1))  # type: ignore[attr-defined]
    assert pushes == [None, cart], "pushed to the right"


def test_gauges_tell_every_value_and_stop_at_the_limits() -> None:
    picture = gauges(["a", "b", "c", "d"])
    poses = needles([0.0, 1.0, -7.0, float("nan")])
    assert [shape.text for shape in picture.still if isinstance(shape, Label)] == ["a", "b", "c", "d"]
    assert all(isinstance(shape, Disc) for body in picture.bodies for shape in body)
    zero, most, least, unknown = poses
    assert unknown is None
    assert isinstance(zero, Pose)
    assert isinstance(most, Pose)
    assert isinstance(least, Pose)
    left, bottom, right, top = picture.view
    assert left < least.x < zero.x < most.x < right
    assert zero.x - least.x == pytest.approx(most.x - zero.x)
    assert top > zero.y > most.y > least.y > bottom
