"""How is a task drawn? What stands still, and bodies that move, as plain shapes; whoever draws chooses the colours.

Lengths are in units of the picture's own world, x to the right and y up; angles are in radians, anticlockwise
positive. One description serves the live page, replays in a report, and videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeAlias

Point: TypeAlias = tuple[float, float]


class Paint(StrEnum):
    """What a shape is, from which its colour follows."""

    SKY = "sky"
    GROUND = "ground"
    BODY = "body"
    TRIM = "trim"
    """A part of a body that stands out from it."""
    ALERT = "alert"
    """A part whose state matters now, such as a leg on the ground."""
    FIRE = "fire"
    """What an action does: flames, a push."""
    MARK = "mark"
    """Where to go, or where it ends."""
    INK = "ink"
    FAINT = "faint"


class Polygon(NamedTuple):
    """A filled polygon."""

    points: tuple[Point, ...]
    paint: Paint

    def as_json(self) -> dict[str, Any]:
        """Return what a page draws."""
        return {"polygon": _points(self.points), "paint": self.paint}


class Line(NamedTuple):
    """A line through points."""

    points: tuple[Point, ...]
    paint: Paint
    width: float

    def as_json(self) -> dict[str, Any]:
        """Return what a page draws."""
        return {"line": _points(self.points), "width": _rounded(self.width), "paint": self.paint}


class Disc(NamedTuple):
    """A filled circle."""

    centre: Point
    radius: float
    paint: Paint

    def as_json(self) -> dict[str, Any]:
        """Return what a page draws."""
        return {"disc": _points((self.centre,))[0], "radius": _rounded(self.radius), "paint": self.paint}


class Label(NamedTuple):
    """A word, its middle line at ``at``."""

    at: Point
    text: str
    height: float
    """Of a line of it."""
    paint: Paint = Paint.INK
    align: Literal["left", "center", "right"] = "left"

    def as_json(self) -> dict[str, Any]:
        """Return what a page draws."""
        at, height = _points((self.at,))[0], _rounded(self.height)
        return {"label": self.text, "at": at, "height": height, "align": self.align, "paint": self.paint}


Shape: TypeAlias = Polygon | Line | Disc | Label


class Pose(NamedTuple):
    """Where a body is: its own origin, and how far it is turned."""

    x: float
    y: float
    angle: float = 0.0


Poses: TypeAlias = Sequence[Pose | None]
"""One a body, in the picture's order; None: it is not to be seen now."""


class Picture(NamedTuple):
    """An episode's picture, all but where its bodies are."""

    view: tuple[float, float, float, float]
    """Left, bottom, right, top of what is shown."""
    still: tuple[Shape, ...]
    """What does not move, drawn first, in order."""
    bodies: tuple[tuple[Shape, ...], ...]
    """Each in coordinates of its own, drawn in order."""

    def as_json(self) -> dict[str, Any]:
        """Return what a page draws."""
        return {
            "view": list(map(_rounded, self.view)),
            "still": [shape.as_json() for shape in self.still],
            "bodies": [[shape.as_json() for shape in body] for body in self.bodies],
        }


def poses_as_json(poses: Poses) -> list[list[float] | None]:
    """Return ``[x, y, angle]`` of each body, or null for one that is not to be seen."""
    return [None if pose is None else list(map(_rounded, pose)) for pose in poses]


def _points(points: Sequence[Point]) -> list[list[float]]:
    return [[_rounded(x), _rounded(y)] for x, y in points]


def _rounded(value: float) -> float:
    """Round to a ten-thousandth: less than a screen shows of any world that fits on it."""
    return round(float(value), 4)
