"""Plots, from the objects that ``--json`` prints."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ontick.errors import OntickError
from ontick.records import Json

RULE_STYLES = {
    "hold": {"color": "#0b6e99", "marker": "o", "label": "hold the last action"},
    "noop": {"color": "#d1495b", "marker": "s", "label": "do nothing meanwhile"},
}
WAY_COLOURS = {"serial": "#d1495b", "pipelined": "#0b6e99", "chunked": "#e08a00"}
WAY_WIDTHS = {"serial": 1.8, "pipelined": 4.2, "chunked": 1.8}
"""Where two lines are one, the broad one shows on both sides of the other."""
INK = "#22303c"
GRID = "#d9e0e6"
MARK = "#6b7885"


def plot_curves(curves: Sequence[Json], path: Path, controllers: Sequence[Json] = ()) -> None:
    """Draw latency curves side by side and save them to ``path`` (.png or .svg).

    Each verdict in ``controllers`` is marked on its task's axes at its measured p95 decision latency.

    Raises:
        OntickError: the file cannot be written.
    """
    save(curves_figure(curves, controllers), path)


def plot_ways(curve: Json, path: Path) -> None:
    """Draw the latency curves of several ways of asking, a panel for each late rule, and save them to ``path``.

    Raises:
        OntickError: the file cannot be written.
    """
    save(ways_figure(curve), path)


def curves_figure(curves: Sequence[Json], controllers: Sequence[Json] = ()) -> Any:
    """Return the figure that `plot_curves` saves."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(5.6 * len(curves), 4.0), dpi=150, layout="constrained")
    axes: Any = figure.subplots(1, len(curves), squeeze=False)[0]
    for axis, curve in zip(axes, curves, strict=True):
        _draw_curve(axis, curve, [c for c in controllers if c["task"] == curve["task"]])
    axes[0].set_ylabel("success, % of episodes", color=INK)
    return figure


def ways_figure(curve: Json) -> Any:
    """Return the figure that `plot_ways` saves."""
    from matplotlib.figure import Figure

    rules = [rule for rule in RULE_STYLES if rule in curve["needs_ms"]]
    figure: Any = Figure(figsize=(5.6 * len(rules), 4.6), dpi=150, layout="constrained")
    axes: Any = figure.subplots(1, len(rules), squeeze=False, sharey=True)[0]
    for axis, rule in zip(axes, rules, strict=True):
        for name, way in curve["ways"].items():
            _draw_way(axis, name, way["needs_ms"][rule], [p for p in _points(curve, rule) if p["way"] == name], curve)
        axis.set_title(f"late rule: {RULE_STYLES[rule]['label']}", color=INK, fontsize=10, loc="left")
        _dress(axis)
        axis.set_ylim(-4, 104)
        axis.legend(frameon=False, fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.16), labelcolor=INK)
    axes[0].set_ylabel(f"{curve['success']}, % of episodes", color=INK)
    figure.suptitle(_title(curve), color=INK, fontsize=11, x=0.01, ha="left")
    return figure


def _draw_way(axis: Any, name: str, needs: float | None, points: Sequence[Json], curve: Json) -> None:
    kind, _, predicted = name.partition("+")
    allows = "never flies" if needs is None else f"allows {needs:g} ms"
    axis.plot(
        [point["delay_ms"] for point in points],
        [100 * point[curve["success"]] / point["n"] for point in points],
        color=WAY_COLOURS[kind],
        ls="-" if predicted else (0, (3, 2)),
        lw=WAY_WIDTHS[kind] if predicted else 1.4,
        label=f"{name}: {allows}",
    )


def _draw_curve(axis: Any, curve: Json, controllers: Sequence[Json]) -> None:
    for rule, style in RULE_STYLES.items():
        points = _points(curve, rule)
        if not points:
            continue
        delays = [point["delay_ms"] for point in points]
        shares = [100 * point[curve["success"]] / point["n"] for point in points]
        needs = curve["needs_ms"][rule]
        label = f"{style['label']}: allows {needs:g} ms" if needs is not None else style["label"]
        axis.plot(delays, shares, color=style["color"], marker=style["marker"], markersize=4, lw=1.8, label=label)
        if needs is not None:
            axis.axvline(needs, ymax=0.78, color=style["color"], lw=0.9, ls=":")
    _mark_controllers(axis, curve, controllers)
    axis.set_title(_title(curve), color=INK, fontsize=11, loc="left")
    _dress(axis)
    axis.set_ylim(-4, 128)  # room for the legend above the curves
    axis.legend(frameon=False, fontsize=8.5, loc="upper right", labelcolor=INK)


def _dress(axis: Any) -> None:
    axis.set_xlabel("delay of every answer, ms", color=INK)
    axis.set_yticks(range(0, 101, 20))
    axis.grid(color=GRID, lw=0.6)
    axis.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _title(curve: Json) -> str:
    return f"{curve['task']}: {curve['controller']}, answers delayed"


def _points(curve: Json, rule: str) -> list[Json]:
    return [point for point in curve["points"] if point["late"] == rule]


def save(figure: Any, path: Path) -> None:
    """Save a figure; letters stay letters in an SVG, and the same figure gives the same file.

    Raises:
        OntickError: the file cannot be written.
    """
    import matplotlib
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a controller may be called anything
    typed: Any = matplotlib
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    try:
        with typed.rc_context({"svg.fonttype": "none", "svg.hashsalt": "ontick"}):
            figure.savefig(path, metadata=metadata)
    except OSError as error:
        raise OntickError(f"cannot write {path} ({error.strerror}); choose another place") from error


def _mark_controllers(axis: Any, curve: Json, controllers: Sequence[Json]) -> None:
    """Draw an upright line at each p95 decision latency of more than a tick, its name beside it."""
    longest = max(point["delay_ms"] for point in curve["points"])
    slow = [c for c in controllers if (c["real_time"]["decision_ms"]["p95"] or 0) > curve["tick_ms"]]
    for controller, side in zip(slow, itertools.cycle(("right", "left")), strict=False):
        p95 = controller["real_time"]["decision_ms"]["p95"]
        name = controller["controller"] + (" behind a slow API" if controller.get("delay") else "")
        reached = min(p95, longest)
        axis.axvline(reached, ymax=0.78, color=MARK, lw=1.0)
        axis.annotate(
            f"{name}: {'beyond, ' if p95 > longest else ''}{p95:.0f} ms",
            xy=(reached, 55),
            xytext=(-3 if side == "right" else 3, 0),
            textcoords="offset points",
            rotation=90,
            ha=side,
            va="center",
            fontsize=8,
            color=MARK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0, "alpha": 0.85},
        )


def plot_frontier(points: Sequence[Json], path: Path) -> None:
    """Draw how well models fly against how much they have kept, and save it to ``path`` (.png or .svg).

    Each point has a ``name``, ``flown`` and ``kept`` as shares, and perhaps the ``line`` that it is on, whose points
    are joined in their order.

    Raises:
        OntickError: the file cannot be written.
    """
    save(frontier_figure(points), path)


def frontier_figure(points: Sequence[Json]) -> Any:
    """Return the figure that `plot_frontier` saves."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(7.2, 4.8), dpi=150, layout="constrained")
    axis: Any = figure.subplots()
    lines = dict.fromkeys(point["line"] for point in points if point.get("line"))
    for name, colour in zip(lines, itertools.cycle(LINE_COLOURS)):
        joined = [point for point in points if point.get("line") == name]
        where = [100 * point["kept"] for point in joined], [100 * point["flown"] for point in joined]
        axis.plot(*where, color=colour, lw=1.2, ls=(0, (3, 2)), marker="o", markersize=3, label=name, zorder=2)
    alone = [point for point in points if not point.get("line")]
    for point in alone:
        colour = POINT_COLOURS[point.get("kind", "")]
        axis.plot(100 * point["kept"], 100 * point["flown"], color=colour, marker="o", markersize=7, ls="", zorder=3)
    axis.set_xlabel("of the base's right answers, still right, %", color=INK)
    axis.set_ylabel("landed, % of flights", color=INK)
    axis.set_xlim(-4, 106)
    axis.set_ylim(-6, 132)
    axis.set_yticks(range(0, 101, 20))
    axis.grid(color=GRID, lw=0.6)
    axis.tick_params(colors=INK, labelsize=9)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    if lines:
        axis.legend(frameon=False, fontsize=8, loc="best", labelcolor=INK)
    _name(axis, alone)
    return figure


def _name(axis: Any, points: Sequence[Json]) -> None:
    """Write each point's name above it, as low as none is upon another's, with a line up to those that are higher."""
    axis.figure.draw_without_rendering()
    taken: list[Any] = []
    for point in sorted(points, key=lambda point: (point["kept"], point["flown"])):
        place = (100 * point["kept"], 100 * point["flown"])
        side, aligned = (-5, "right") if point["kept"] > 0.6 else (5, "left")
        height = LOWEST
        offset: Any = {"xy": place, "textcoords": "offset points", "color": INK, "fontsize": 8}
        name = axis.annotate(point["name"], xytext=(side, height), ha=aligned, **offset)
        while any(name.get_window_extent().padded(3).overlaps(other) for other in taken):
            height += NAME_HEIGHT
            name.xyann = (side, height)
        taken.append(name.get_window_extent())
        if height > LOWEST:
            line = {"arrowstyle": "-", "color": MARK, "lw": 0.6, "shrinkA": 0}
            axis.annotate("", xytext=(0, height + 6), arrowprops=line, **offset)


LOWEST, NAME_HEIGHT = 5, 11
"""How far above its point a name is at least, and what it takes itself, in points of type."""

LINE_COLOURS = ("#6b7885", "#0b6e99")
POINT_COLOURS = {"end": "#22303c", "narrow": "#e08a00", "kept": "#0b6e99", "": "#6b7885"}
"""Of the two ends, of ways to change less, and of ways to rehearse."""
