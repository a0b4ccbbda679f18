"""How is a task's picture painted without a screen? As the pages draw it, into an image, smooth at its edges.

Everything is painted `FINER` times as large and then averaged. What stands still is painted once; for each pose only
the patch in which bodies are is painted anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from ontick.report.films.looks import Colour, Look
from ontick.tasks.picture import Disc, Label, Line, Paint, Picture, Point, Polygon, Pose, Poses, Shape

FINER = 4
_STARS = 90
_ARROW = 1.5
"""Flames have two corners at the body, about equally near; an arrow, which has no core, has one."""
_CORE = 0.55
"""How long a flame's bright core is, of the flame."""
_THINNEST_PX = 1.0
_ORIGIN = Pose(0.0, 0.0)


@cache
def font(size_px: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which comes with matplotlib: the same on every machine, its digits all equally wide."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size_px)


class _Box(NamedTuple):
    """A rectangle of whole pixels, without its right and lower edge."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def is_empty(self) -> bool:
        return self.left >= self.right or self.top >= self.bottom

    def within(self, other: _Box) -> _Box:
        """Return what both have."""
        return _Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )


class _Brush:
    """Paints shapes whose coordinates are pixels, y down, on a finer image of one box of them."""

    def __init__(self, fine: Image.Image, box: _Box) -> None:
        self.draw = ImageDraw.Draw(fine)
        self._box = box

    def shape(self, shape: Shape, colour: Colour | int) -> None:
        """Paint one shape."""
        match shape:
            case Polygon(points, _):
                self.draw.polygon([self._fine(point) for point in points], fill=colour)
            case Disc(centre, radius, _):
                self._disc(centre, radius, colour)
            case Line(points, _, width):
                self._line(points, max(width, _THINNEST_PX), colour)
            case Label(at, text, height, _, align):
                anchor = {"left": "lm", "center": "mm", "right": "rm"}[align]
                lettering = font(max(1, round(height * FINER)))
                self.draw.text(self._fine(at), text, fill=colour, font=lettering, anchor=anchor)

    def _disc(self, centre: Point, radius: float, colour: Colour | int) -> None:
        (x, y), r = self._fine(centre), radius * FINER - 0.5
        self.draw.ellipse((x - r, y - r, x + r, y + r), fill=colour)

    def _line(self, points: Sequence[Point], width: float, colour: Colour | int) -> None:
        """Paint a stroke with round ends and corners."""
        for (ax, ay), (bx, by) in pairwise(points):
            length = math.hypot(bx - ax, by - ay)
            if length:
                sx, sy = (by - ay) / length * width / 2, (ax - bx) / length * width / 2
                corners = ((ax + sx, ay + sy), (bx + sx, by + sy), (bx - sx, by - sy), (ax - sx, ay - sy))
                self.draw.polygon([self._fine(corner) for corner in corners], fill=colour)
        for point in points:
            self._disc(point, width / 2, colour)

    def _fine(self, point: Point) -> Point:
        """Return where a point is on the finer image, whose whole numbers are the middles of its pixels."""
        return (point[0] - self._box.left) * FINER - 0.5, (point[1] - self._box.top) * FINER - 0.5


class Painter:
    """Paints one picture, again and again, its bodies here and there."""

    def __init__(self, picture: Picture, width: int, height: int, look: Look) -> None:
        """``width`` and ``height``, in pixels, are filled with sky; the picture's view stands in their middle."""
        left, bottom, right, top = picture.view
        self._scale = min(width / (right - left), height / (top - bottom))
        self._left = (width - (right - left) * self._scale) / 2 - left * self._scale
        self._top = (height - (top - bottom) * self._scale) / 2 + top * self._scale
        self._picture, self._look = picture, look
        self._whole = _Box(0, 0, width, height)
        self._fine = self._paint_still()
        self._still = self._fine.reduce(FINER)

    def paint(self, poses: Poses) -> Image.Image:
        """Return the picture with its bodies in ``poses``; an arrow at the edge shows where one has gone."""
        placed: list[tuple[Shape, Colour]] = []
        arrows: dict[Point, tuple[Shape, Colour]] = {}
        for body, pose in zip(self._picture.bodies, poses, strict=True):
            if pose is None or not all(map(math.isfinite, pose)):
                continue
            for shape in body:
                placed += self._coloured(shape, pose)
            arrow = self._arrow(pose)
            if arrow is not None:
                arrows[pose.x, pose.y] = arrow
        placed += arrows.values()
        image = self._still.copy()
        box = _box_of([shape for shape, _ in placed]).within(self._whole)
        if not box.is_empty:
            patch = self._fine.crop(_Box(*(FINER * edge for edge in box)))
            brush = _Brush(patch, box)
            for shape, colour in placed:
                brush.shape(shape, colour)
            image.paste(patch.reduce(FINER), box[:2])
        return image

    def _coloured(self, shape: Shape, pose: Pose) -> list[tuple[Shape, Colour]]:
        """Return what of a body's shape is painted, in pixels; a flame has a bright core."""
        painted = [(self._in_pixels(shape, pose), self._look.paints[shape.paint])]
        if isinstance(shape, Polygon) and shape.paint is Paint.FIRE:
            core = _core(shape)
            painted += [] if core is None else [(self._in_pixels(core, pose), self._look.fire_core)]
        return painted

    def _in_pixels(self, shape: Shape, pose: Pose) -> Shape:
        turn_x, turn_y = math.cos(pose.angle), math.sin(pose.angle)

        def there(point: Point) -> Point:
            x, y = point
            x, y = pose.x + turn_x * x - turn_y * y, pose.y + turn_y * x + turn_x * y
            return self._left + x * self._scale, self._top - y * self._scale

        match shape:
            case Polygon(points, paint):
                return Polygon(tuple(map(there, points)), paint)
            case Line(points, paint, width):
                return Line(tuple(map(there, points)), paint, width * self._scale)
            case Disc(centre, radius, paint):
                return Disc(there(centre), radius * self._scale, paint)
            case Label(at, text, height, paint, align):
                return Label(there(at), text, height * self._scale, paint, align)

    def _arrow(self, pose: Pose) -> tuple[Shape, Colour] | None:
        """Return a small arrow at the edge beyond which a body is; None for one that is in view."""
        left, bottom, right, top = self._picture.view
        x, y = min(max(pose.x, left), right), min(max(pose.y, bottom), top)
        if (x, y) == (pose.x, pose.y):
            return None
        size = 9 / self._scale * max(1.0, self._whole.right / 640)
        at = Pose(x, y, math.atan2(pose.y - y, pose.x - x))
        head = Polygon(((-0.4 * size, 0.0), (-1.6 * size, 0.8 * size), (-1.6 * size, -0.8 * size)), Paint.MARK)
        return self._in_pixels(head, at), self._look.paints[Paint.MARK]

    def _paint_still(self) -> Image.Image:
        look, still = self._look, self._picture.still
        fine = _shaded(self._whole, look.paints[Paint.SKY], look.sky_low, 0, self._whole.bottom)
        brush = _Brush(fine, self._whole)
        grounds = [shape for shape in still if isinstance(shape, Polygon) and shape.paint is Paint.GROUND]
        if grounds and look.star is not None:
            self._paint_stars(brush, look.star)
        heights = [self._top - y * self._scale for ground in grounds for _, y in ground.points]
        for shape in still:
            placed = self._in_pixels(shape, _ORIGIN)
            if shape not in grounds:
                brush.shape(placed, look.paints[shape.paint])
                continue
            mask = Image.new("L", fine.size)
            _Brush(mask, self._whole).shape(placed, 255)
            earth = _shaded(self._whole, look.paints[Paint.GROUND], look.ground_low, min(heights), max(heights))
            fine.paste(earth, mask=mask)
            for edge in self._surface(shape):
                brush.shape(self._in_pixels(edge, _ORIGIN), look.ground_edge)
        return fine

    def _surface(self, ground: Shape) -> list[Line]:
        """Return the ground's edge where it meets the sky, not where the picture cuts it."""
        left, bottom, right, _ = self._picture.view
        points = ground.points if isinstance(ground, Polygon) else ()
        width = 1.5 * max(1.0, self._whole.right / 640) / self._scale
        edges: list[Line] = []
        for (ax, ay), (bx, by) in zip(points, (*points[1:], *points[:1]), strict=True):
            if not (ay == by == bottom or (ax == bx and ax in (left, right))):
                edges.append(Line(((ax, ay), (bx, by)), Paint.GROUND, width))
        return edges

    def _paint_stars(self, brush: _Brush, colour: Colour) -> None:
        """Paint the stars of the pages' scene: as many, in the same places."""
        sky, low = self._look.paints[Paint.SKY], self._look.sky_low
        chance = _lehmer(20)
        for _ in range(_STARS):
            x, y = chance(), chance() ** 1.4
            radius, shine = 0.4 + 0.8 * chance() ** 3, 0.25 + 0.5 * chance()
            there = x * self._whole.right, y * self._whole.bottom
            behind = _mixed(sky, low, y)
            star = Disc(there, radius * max(1.0, self._whole.right / 640), Paint.INK)
            brush.shape(star, _mixed(behind, colour, shine))


def _core(flame: Polygon) -> Polygon | None:
    """Return a flame's core, which grows from where it leaves its engine; None for an arrow."""
    near, second = sorted(flame.points, key=lambda point: math.hypot(*point))[:2]
    if math.hypot(*second) > _ARROW * math.hypot(*near):
        return None
    root_x, root_y = (near[0] + second[0]) / 2, (near[1] + second[1]) / 2
    return flame._replace(
        points=tuple((root_x + (x - root_x) * _CORE, root_y + (y - root_y) * _CORE) for x, y in flame.points)
    )


def _box_of(shapes: Sequence[Shape]) -> _Box:
    """Return whole pixels around shapes in pixels."""
    if not shapes:
        return _Box(0, 0, 0, 0)
    edges = [_edges_of(shape) for shape in shapes]
    return _Box(
        math.floor(min(edge[0] for edge in edges)),
        math.floor(min(edge[1] for edge in edges)),
        math.ceil(max(edge[2] for edge in edges)),
        math.ceil(max(edge[3] for edge in edges)),
    )


def _edges_of(shape: Shape) -> tuple[float, float, float, float]:
    match shape:
        case Polygon(points, _):
            reach = 1.0
        case Line(points, _, width):
            reach = 1.0 + max(width, _THINNEST_PX) / 2
        case Disc(centre, radius, _):
            points, reach = (centre,), 1.0 + radius
        case Label(at, text, height):
            points, reach = (at,), height * (len(text) + 1)
    xs, ys = [x for x, _ in points], [y for _, y in points]
    return min(xs) - reach, min(ys) - reach, max(xs) + reach, max(ys) + reach


def _shaded(box: _Box, top: Colour, bottom: Colour, top_px: float, bottom_px: float) -> Image.Image:
    """Return a fine image of ``box`` that goes from one colour at a height to another at one below."""
    rows = Image.new("RGB", (1, box.bottom * FINER))
    for row in range(box.bottom * FINER):
        share = ((row + 0.5) / FINER - top_px) / max(bottom_px - top_px, 1e-9)
        rows.putpixel((0, row), _mixed(top, bottom, min(1.0, max(0.0, share))))
    return rows.resize((box.right * FINER, box.bottom * FINER))


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _lehmer(seed: int) -> Callable[[], float]:
    """Return numbers from 0 to 1 that look random: Lehmer's generator (Park and Miller's "minimal standard")."""

    def draw() -> float:
        nonlocal seed
        seed = seed * 16807 % 2147483647
        return seed / 2147483647

    return draw
