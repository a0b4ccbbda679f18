"""How is a task drawn that has no picture of its own? A gauge a feature, from minus to plus its limit."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ontick.tasks.picture import Disc, Label, Line, Paint, Picture, Point, Pose

_ROW = 1.0
_WIDTH = 10.0
_NAMES = 4.0
_HALF = (_WIDTH - _NAMES) / 2 - 0.5
_MIDDLE = _NAMES + _HALF + 0.25


def gauges(names: Sequence[str]) -> Picture:
    """Return a picture of one row a name, the first on top; its bodies are the needles."""
    rows = len(names)
    still = [shape for row, name in enumerate(names) for shape in _row(_height(row, rows), name)]
    return Picture((0.0, 0.0, _WIDTH, rows * _ROW), tuple(still), ((Disc((0.0, 0.0), 0.22, Paint.BODY),),) * rows)


def needles(shares: Sequence[float]) -> tuple[Pose | None, ...]:
    """Return where the needles stand for values as shares of their limits; one beyond its limit stands at it."""
    rows = len(shares)
    return tuple(
        None if math.isnan(share) else Pose(_MIDDLE + _HALF * min(1.0, max(-1.0, share)), _height(row, rows))
        for row, share in enumerate(shares)
    )


def _height(row: int, rows: int) -> float:
    return (rows - row - 0.5) * _ROW


def _row(y: float, name: str) -> tuple[Line | Label, ...]:
    ends: tuple[Point, Point] = ((_MIDDLE - _HALF, y), (_MIDDLE + _HALF, y))
    zero: tuple[Point, Point] = ((_MIDDLE, y - 0.2), (_MIDDLE, y + 0.2))
    return (
        Label((_NAMES - 0.3, y), name, 0.42, Paint.INK, "right"),
        Line(ends, Paint.FAINT, 0.05),
        Line(zero, Paint.FAINT, 0.05),
    )
