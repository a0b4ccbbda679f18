"""Laws of painting: a body's pixels are where its pose says, at the edges too, and nowhere else."""

from __future__ import annotations

import itertools
from math import cos, hypot, pi, sin
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from ontick.report.films.looks import LOOKS, LookName
from ontick.report.films.painting import Painter
from ontick.tasks.picture import Disc, Label, Line, Paint, Picture, Point, Polygon, Pose, Shape

DARK = LOOKS[LookName.DARK]
VIEW = (-2.0, -1.0, 6.0, 5.0)
WIDTH, HEIGHT = 320, 240
SCALE = WIDTH / 8
TRIANGLE = Polygon(((-0.5, -0.3), (0.9, -0.1), (0.1, 0.8)), Paint.BODY)


def painted(*bodies: tuple[Shape, ...], poses: list[Pose | None], view: Any = VIEW) -> npt.NDArray[np.float64]:
    return as_array(Painter(Picture(view, (), bodies), WIDTH, HEIGHT, DARK).paint(poses))


def as_array(image: Image.Image) -> npt.NDArray[np.float64]:
    return np.asarray(image, dtype=float)


EMPTY = painted(poses=[])


def cover(image: npt.NDArray[np.float64], paint: Paint) -> npt.NDArray[np.float64]:
    """How much of each pixel is covered by the only thing on the picture."""
    return ((image - EMPTY) / (np.array(DARK.paints[paint]) - EMPTY)).mean(axis=2)


def in_world(weights: npt.NDArray[np.float64]) -> Point:
    """The middle of what is covered, in the picture's world."""
    rows, columns = np.indices(weights.shape) + 0.5
    x, y = (weights * columns).sum() / weights.sum(), (weights * rows).sum() / weights.sum()
    return VIEW[0] + x / SCALE, VIEW[3] - y / SCALE


def brute_force(polygon: Polygon, pose: Pose) -> tuple[Point, float]:
    """Centroid and area of a polygon in its pose, by asking of many points whether they are in it."""
    step, reach = 0.005, max(hypot(*corner) for corner in polygon.points)
    dx, dy = np.meshgrid(*2 * [np.arange(-reach, reach, step)])
    xs, ys = pose.x + dx, pose.y + dy
    own_x = cos(pose.angle) * dx + sin(pose.angle) * dy
    own_y = -sin(pose.angle) * dx + cos(pose.angle) * dy
    inside = np.zeros(dx.shape, dtype=bool)
    corners = [*polygon.points, polygon.points[0]]
    for (ax, ay), (bx, by) in itertools.pairwise(corners):
        crosses = (ay > own_y) != (by > own_y)
        with np.errstate(divide="ignore", invalid="ignore"):
            inside ^= crosses & (own_x < ax + (own_y - ay) / (by - ay) * (bx - ax))
    return (float(xs[inside].mean()), float(ys[inside].mean())), float(inside.sum()) * step * step


@settings(max_examples=20)
@given(st.floats(-0.5, 4.5), st.floats(0.5, 3.5), st.floats(-7, 7))
@example(1.15625, 1.0, 0.5)
def test_a_polygons_pixels_are_where_its_pose_says(x: float, y: float, angle: float) -> None:
    pose = Pose(x, y, angle)
    weights = cover(painted((TRIANGLE,), poses=[pose]), Paint.BODY)
    centroid, area = brute_force(TRIANGLE, pose)
    assert in_world(weights) == pytest.approx(centroid, abs=0.3 / SCALE)
    assert weights.sum() / SCALE**2 == pytest.approx(area, rel=0.06)


@settings(max_examples=20)
@given(st.floats(0, 4), st.floats(0.5, 3.5), st.floats(-7, 7))
def test_a_line_is_as_long_and_as_broad_as_it_says_and_its_ends_are_round(x: float, y: float, angle: float) -> None:
    line = Line(((0.0, 0.0), (1.2, 0.0)), Paint.TRIM, 0.3)
    weights = cover(painted((line,), poses=[Pose(x, y, angle)]), Paint.TRIM)
    assert in_world(weights) == pytest.approx((x + 0.6 * cos(angle), y + 0.6 * sin(angle)), abs=0.3 / SCALE)
    assert weights.sum() / SCALE**2 == pytest.approx(1.2 * 0.3 + pi * 0.15**2, rel=0.06)


@settings(max_examples=20)
@given(st.floats(0, 4), st.floats(0.5, 3.5))
def test_a_disc_is_round(x: float, y: float) -> None:
    weights = cover(painted((Disc((0.2, 0.1), 0.5, Paint.INK),), poses=[Pose(x, y)]), Paint.INK)
    assert in_world(weights) == pytest.approx((x + 0.2, y + 0.1), abs=0.3 / SCALE)
    assert weights.sum() / SCALE**2 == pytest.approx(pi * 0.25, rel=0.03)


def test_edges_are_smooth_and_what_is_covered_has_exactly_its_colour() -> None:
    weights = cover(painted((TRIANGLE,), poses=[Pose(2, 2, 0.3)]), Paint.BODY)
    assert set(np.unique(weights)) >= {0.0, 1.0}
    assert ((weights > 0.1) & (weights < 0.9)).sum() > 50


SHAPES: list[Shape] = [TRIANGLE, Line(((0, 0), (1, 2)), Paint.FAINT, 0.2), Label((1, 1), "x", 0.5)]


@pytest.mark.parametrize("shape", SHAPES)
def test_what_moves_is_painted_as_what_stands_still(shape: Shape) -> None:
    still = Painter(Picture(VIEW, (shape,), ()), WIDTH, HEIGHT, DARK).paint([])
    moves = Painter(Picture(VIEW, (), ((shape,),)), WIDTH, HEIGHT, DARK).paint([Pose(0, 0)])
    assert (as_array(still) == as_array(moves)).all()


def test_a_frame_keeps_nothing_of_the_one_before() -> None:
    painter = Painter(Picture(VIEW, (), ((TRIANGLE,),)), WIDTH, HEIGHT, DARK)
    first = painter.paint([Pose(1, 1)])
    painter.paint([Pose(3, 3)])
    assert painter.paint([Pose(1, 1)]).tobytes() == first.tobytes()


@pytest.mark.parametrize("hidden", [None, Pose(float("nan"), 0), Pose(0, 0, float("inf"))])
def test_a_body_that_is_nowhere_is_not_painted(hidden: Pose | None) -> None:
    assert (painted((TRIANGLE,), poses=[hidden]) == painted(poses=[])).all()


def test_bodies_are_painted_in_order_each_over_the_one_before() -> None:
    below, above = (Disc((0.0, 0.0), 0.5, Paint.BODY),), (Disc((0.0, 0.0), 0.2, Paint.ALERT),)
    image = painted(below, above, poses=[Pose(2, 2), Pose(2, 2)])
    column, row = round((2 - VIEW[0]) * SCALE), round((VIEW[3] - 2) * SCALE)
    assert tuple(image[row, column]) == DARK.paints[Paint.ALERT]
    assert tuple(image[row, column + round(0.35 * SCALE)]) == DARK.paints[Paint.BODY]


@pytest.mark.parametrize(
    ("pose", "edge"),
    [
        (Pose(2, 9), (2.0, 5.0)),
        (Pose(2, -9), (2.0, -1.0)),
        (Pose(-9, 2), (-2.0, 2.0)),
        (Pose(1e9, 2), (6.0, 2.0)),
        (Pose(2, 1e300), (2.0, 5.0)),
    ],
)
def test_an_arrow_at_the_edge_shows_where_a_body_has_gone(pose: Pose, edge: Point) -> None:
    weights = cover(painted((TRIANGLE,), poses=[pose]), Paint.MARK)
    assert np.hypot(*np.subtract(in_world(weights), edge)) < 12 / SCALE
    assert 20 < weights.sum() < 200


def test_a_flame_has_a_bright_core_and_an_arrow_has_none() -> None:
    flame = Polygon(((-0.3, -0.4), (0.3, -0.4), (0.0, -1.5)), Paint.FIRE)
    arrow = Polygon(((-0.5, 0.04), (-0.24, 0.12), (-0.5, 0.2)), Paint.FIRE)
    for shape, has_core in ((flame, True), (arrow, False)):
        colours = {tuple(pixel) for row in painted((shape,), poses=[Pose(2, 2)]) for pixel in row}
        assert (DARK.fire_core in colours) == has_core
        assert DARK.paints[Paint.FIRE] in colours


def test_a_picture_of_another_shape_stands_in_the_middle_under_more_sky() -> None:
    tall = (0.0, 0.0, 1.0, 10.0)
    weights = painted((Disc((0.0, 0.0), 0.4, Paint.BODY),), poses=[Pose(0.5, 5)], view=tall) - painted(poses=[])
    rows, columns = np.nonzero(weights.sum(axis=2) > 200)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((WIDTH / 2, HEIGHT / 2), abs=0.3)


def test_the_ground_has_an_edge_where_it_meets_the_sky_only() -> None:
    ground = Polygon(((-2, -1), (-2, 1), (6, 1), (6, -1)), Paint.GROUND)
    image = as_array(Painter(Picture(VIEW, (ground,), ()), WIDTH, HEIGHT, DARK).paint([]))
    top = round((VIEW[3] - 1) * SCALE)
    bright = image.sum(axis=2)
    assert bright[top - 1 : top + 1, 100].max() > bright[top + 4, 100] + 60
    assert (bright[top + 4 :, 0] == bright[top + 4 :, 100]).all()
    assert (np.diff(bright[top + 4 :, 100]) <= 0).all(), "darker further down"
