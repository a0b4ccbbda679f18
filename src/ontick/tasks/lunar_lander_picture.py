"""What does LunarLander-v3 look like? Its terrain and the lander, at Gymnasium's own measures, in metres."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, sin

from gymnasium.envs.box2d import lunar_lander as env

from ontick.tasks.lunar_lander_dynamics import LEFT, LEG_STOP, MAIN, ORIGIN_M, PAD_M, RIGHT, X_M, Y_M
from ontick.tasks.picture import Line, Paint, Picture, Point, Polygon, Pose, Poses, Shape

_WIDTH_M, _HEIGHT_M = env.VIEWPORT_W / env.SCALE, env.VIEWPORT_H / env.SCALE
_PAD_FROM_M, _PAD_TO_M = _WIDTH_M * 0.4, _WIDTH_M * 0.6
_ABOVE_M = 1.2
"""More sky than Gymnasium shows: a lander starts at the picture's upper edge."""

_HULL: tuple[Shape, ...] = (
    Polygon(tuple((x / env.SCALE, y / env.SCALE) for x, y in env.LANDER_POLY), Paint.BODY),
    Polygon(((-0.26, 0.08), (0.26, 0.08), (0.2, 0.4), (-0.2, 0.4)), Paint.SKY),
)
_MAIN_FLAME: tuple[Shape, ...] = (
    Polygon(((-0.3, -0.38), (0.3, -0.38), (0.14, -1.0), (0.0, -1.45), (-0.14, -1.0)), Paint.FIRE),
)


def _leg(side: int, paint: Paint) -> tuple[Shape, ...]:
    """Return a leg at its stop, in the hull's coordinates; ``side`` is -1 for the left one and 1 for the right one.

    Gymnasium's legs hang on joints that nobody sees; a strut shows them.
    """
    away, down = env.LEG_AWAY / env.SCALE, env.LEG_DOWN / env.SCALE
    half_wide, half_high = env.LEG_W / env.SCALE, env.LEG_H / env.SCALE
    turn = side * LEG_STOP
    corners: list[Point] = []
    for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
        dx, dy = side * away + x * half_wide, -down + y * half_high
        corners.append((dx * cos(turn) - dy * sin(turn), dx * sin(turn) + dy * cos(turn)))
    knee = ((corners[2][0] + corners[3][0]) / 2, (corners[2][1] + corners[3][1]) / 2)
    return (Line(((side * 0.4, 0.0), knee), Paint.TRIM, 0.07), Polygon(tuple(corners), paint))


def _side_flame(side: int) -> tuple[Shape, ...]:
    """Return the flame of a side engine; that of the left engine, which pushes to the left, is on the right."""
    return (Polygon(((side * 0.58, 0.34), (side * 1.15, 0.47), (side * 0.58, 0.6)), Paint.FIRE),)


_BODIES = (
    _MAIN_FLAME,
    _side_flame(-1),
    _side_flame(1),
    _leg(-1, Paint.TRIM),
    _leg(-1, Paint.ALERT),
    _leg(1, Paint.TRIM),
    _leg(1, Paint.ALERT),
    _HULL,
)


def terrain(heights: Sequence[float]) -> Picture:
    """Return the picture over ground whose corners, evenly spaced from the left edge on, have these heights."""
    heights = heights if len(heights) > 1 else (PAD_M, PAD_M)
    apart = _WIDTH_M / (len(heights) - 1)
    surface = tuple((number * apart, height) for number, height in enumerate(heights))
    still: list[Shape] = [
        Polygon(((0.0, 0.0), *surface, (_WIDTH_M, 0.0)), Paint.GROUND),
        Line(((_PAD_FROM_M, PAD_M), (_PAD_TO_M, PAD_M)), Paint.MARK, 0.08),
    ]
    for x in (_PAD_FROM_M, _PAD_TO_M):
        still.append(Line(((x, PAD_M), (x, PAD_M + 1.6)), Paint.FAINT, 0.06))
        still.append(Polygon(((x, PAD_M + 1.6), (x, PAD_M + 1.1), (x + 0.8, PAD_M + 1.35)), Paint.MARK))
    return Picture((0.0, 0.0, _WIDTH_M, _HEIGHT_M + _ABOVE_M), tuple(still), _BODIES)


def place(state: Sequence[float], action: int | None) -> Poses:
    """Return the poses of the bodies of `terrain` in a state, as observed, on which ``action`` acts."""
    x, y, _, _, angle, _, right_leg, left_leg = state
    lander = Pose(X_M * (x + 1), ORIGIN_M + Y_M * y, angle)
    seen = (
        action == MAIN,
        action == RIGHT,
        action == LEFT,
        not left_leg,
        bool(left_leg),
        not right_leg,
        bool(right_leg),
        True,
    )
    return tuple(lander if shown else None for shown in seen)
