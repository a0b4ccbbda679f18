"""What do plots of flights show? How late answers were, where actions came from, what they were, how it scored.

Every plot has a row for each `Flown`, so that time frozen and real time, or several controllers, stand together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ontick.late import Source
from ontick.report.document.flown import ILLEGAL, NEVER_COLLECTED, SILENT, STALE, USED, Flown
from ontick.report.plots import GRID, INK, MARK

FRESH, PLANNED, HELD, NOOP = "#0a7f93", "#6dbcc9", "#d98a0b", "#8a3b12"
GOOD, BAD = "#137450", "#b23a1f"
ON_BRIGHT = "#10181f"
"""What is written on a bright colour, in the dark as in the light; on others it is the paper's."""
VIOLET, GREEN, PINK = "#6b5fb5", "#5f8f3e", "#b4457a"
SERIES = (FRESH, HELD, VIOLET, GREEN, PINK, PLANNED, NOOP, MARK)
"""For what has no colour of its own, such as actions."""

SOURCES = {
    Source.FRESH: ("fresh answer", FRESH),
    Source.PLANNED: ("planned before", PLANNED),
    Source.HELD: ("held: nothing new", HELD),
    Source.NOOP: ("no-op: nothing new", NOOP),
}
FATES = {USED: FRESH, STALE: HELD, SILENT: MARK, NEVER_COLLECTED: PLANNED}

WIDTH = 4.6
"""Inches, at which two stand side by side in a page, their 10 points hardly smaller."""

BINS_A_DECADE = 12


def latency_figure(flown: Sequence[Flown]) -> Any | None:
    """Return histograms of decision latencies on one logarithmic axis, against the tick and what the task allows.

    Answers that took no time at all are told, not drawn: an axis of ratios has no place for them. None without others.
    """
    rows = [row for row in flown if any(answer.latency_ms > 0 for answer in row.answers)]
    if not rows:
        return None
    tick_ms = rows[0].tick_ms or 20.0
    edges = _edges(rows, tick_ms)
    figure, axes = _rows(len(rows), 1.0)
    for axis, row in zip(axes, rows, strict=True):
        latencies = np.array([answer.latency_ms for answer in row.answers])
        axis.hist(latencies[latencies > 0], bins=edges, color=FRESH, edgecolor="white", linewidth=0.4)
        axis.axvline(tick_ms, color=INK, lw=1.1)
        if row.allowed_ms:
            axis.axvline(row.allowed_ms, color=BAD, lw=1.1, ls=(0, (4, 2)))
        _say_above(axis, row.label, _in_time(latencies, tick_ms, row.allowed_ms))
        axis.set_ylim(0, axis.get_ylim()[1] * 1.08)
    bottom = axes[-1]
    bottom.set_xscale("log")
    bottom.set_xlim(edges[0], edges[-1])
    _plain_decades(bottom, edges[-1] / edges[0])
    bottom.set_xlabel("decision latency, ms", color=INK, fontsize=10)
    _legend(figure, [("one tick", INK, "-"), *_allowed_key(rows)])
    return figure


def sources_figure(flown: Sequence[Flown]) -> Any:
    """Return where the ticks' actions came from, as shares."""
    shares = [{label: row.sources[source] for source, (label, _) in SOURCES.items()} for row in flown]
    return _shares(flown, shares, dict(SOURCES.values()), "ticks, %")


def fates_figure(flown: Sequence[Flown]) -> Any | None:
    """Return what became of the answers, as shares; None where none was given."""
    rows = [row for row in flown if row.fates.total()]
    if not rows:
        return None
    failed = sorted(
        {kind for row in rows for kind in row.fates} - FATES.keys(), key=lambda kind: (kind != ILLEGAL, kind)
    )
    reds = (BAD, NOOP, PINK, VIOLET)
    colours = FATES | {kind: reds[place % len(reds)] for place, kind in enumerate(failed)}
    return _shares(rows, [row.fates for row in rows], colours, "answers, %")


def actions_figure(flown: Sequence[Flown]) -> Any | None:
    """Return which actions acted, as shares of the ticks; None where no summary counts them."""
    rows = [row for row in flown if row.summary is not None and row.summary["action_counts"]]
    if not rows:
        return None
    counts: list[dict[str, int]] = [row.summary["action_counts"] for row in rows if row.summary is not None]
    known = rows[0].task
    named = [*known.actions, known.noop_name] if known is not None else []
    names = list(dict.fromkeys([*named, *(name for row in counts for name in row)]))
    names = [name for name in names if any(name in row for row in counts)]
    colours = {name: SERIES[place % len(SERIES)] for place, name in enumerate(names)}
    return _shares(rows, counts, colours, "ticks, %")


def scores_figure(flown: Sequence[Flown]) -> Any | None:
    """Return every episode's total reward as a dot, and the mean with its 95 % interval; None without episodes."""
    rows = [row for row in flown if row.flights]
    if not rows:
        return None
    figure, axes = _rows(len(rows), 0.6)
    for axis, row in zip(axes, rows, strict=True):
        judged = [row.succeeded(flight.episode) for flight in row.flights]
        rewards = np.array([flight.episode.reward for flight in row.flights])
        # The golden ratio's multiples keep neighbours apart without chance.
        heights = 0.2 + 0.6 * np.modf(0.618034 * np.arange(len(rewards)))[0]
        for success, colour, marker in ((True, GOOD, "o"), (False, BAD, "X"), (None, MARK, "o")):
            chosen = np.array([found is success for found in judged])
            dots = {"marker": marker, "ms": 5, "color": colour, "mec": "white", "mew": 0.5, "alpha": 0.85}
            if chosen.any():
                axis.plot(rewards[chosen], heights[chosen], ls="", **dots)
        _draw_mean(axis, row)
        axis.set_ylim(0, 1)
        _say_above(axis, row.label, "")
    axes[-1].set_xlabel("total reward of an episode", color=INK, fontsize=10)
    _legend(figure, [("success", GOOD, "o"), ("failure", BAD, "X"), ("mean, 95 % interval", INK, "D")])
    return figure


def _draw_mean(axis: Any, row: Flown) -> None:
    if row.summary is None or not row.summary["n"]:
        return
    mean, (low, high) = row.summary["reward_mean"], row.summary["reward_ci95"]
    axis.plot([low, high], [0.5, 0.5], color=INK, lw=1.4, solid_capstyle="butt")
    axis.plot(mean, 0.5, marker="D", ms=5, color=INK, mec="white", mew=0.6)


def _shares(flown: Sequence[Flown], counted: Sequence[Mapping[str, int]], colours: Mapping[str, str], unit: str) -> Any:
    figure, axes = _rows(len(flown), 0.34)
    used = [name for name in colours if any(counts.get(name) for counts in counted)]
    for axis, row, counts in zip(axes, flown, counted, strict=True):
        total, left = sum(counts.get(name, 0) for name in used), 0.0
        for name in used:
            share = 100 * counts.get(name, 0) / total if total else 0.0
            axis.barh(0.5, share, left=left, height=0.8, color=colours[name], edgecolor="white", linewidth=0.6)
            if share >= 8:
                ink = ON_BRIGHT if colours[name] in {HELD, PLANNED} else "white"
                axis.text(left + share / 2, 0.5, f"{share:.0f}%", ha="center", va="center", fontsize=9, color=ink)
            left += share
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 1)
        _say_above(axis, row.label, f"{total:,}")
    axes[-1].set_xlabel(unit, color=INK, fontsize=10)
    _legend(figure, [(name, colours[name], "s") for name in used])
    return figure


def _rows(count: int, height: float) -> tuple[Any, Any]:
    """Return a figure with ``count`` axes below each other that share their x; heights are in inches."""
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(WIDTH, 0.85 + (height + 0.25) * count), dpi=150, layout="constrained")
    axes: Any = figure.subplots(count, 1, squeeze=False, sharex=True)[:, 0]
    for axis in axes:
        axis.set_yticks([])
        axis.grid(axis="x", color=GRID, lw=0.6)
        axis.set_axisbelow(True)
        axis.tick_params(colors=INK, labelsize=9.5, which="both")
        for side in ("top", "right", "left"):
            axis.spines[side].set_visible(False)
        axis.spines["bottom"].set_color(MARK)
    return figure, axes


def _say_above(axis: Any, label: str, told: str) -> None:
    said = label if len(label) <= 32 else f"{label[:15]}…{label[-16:]}"
    axis.set_title(said, loc="left", fontsize=10, color=INK, pad=4)
    axis.set_title(told, loc="right", fontsize=9.5, color=MARK, pad=4)


def _legend(figure: Any, keys: Sequence[tuple[str, str, str]]) -> None:
    from matplotlib.lines import Line2D

    drawn = [
        Line2D([], [], color=colour, lw=0 if look in "oXDs" else 1.3, ls="" if look in "oXDs" else look, label=name)
        for name, colour, look in keys
    ]
    for line, (_, _, look) in zip(drawn, keys, strict=True):
        if look in "oXDs":
            line.set_marker(look)
            line.set_markersize(7 if look == "s" else 5)
    figure.legend(
        handles=drawn, loc="outside lower left", ncols=min(3, len(drawn)), frameon=False, fontsize=9.5, labelcolor=INK
    )


def _allowed_key(rows: Sequence[Flown]) -> list[tuple[str, str, Any]]:
    return [("what the task allows", BAD, "--")] if any(row.allowed_ms for row in rows) else []


def _in_time(latencies: Any, tick_ms: float, allowed_ms: float | None) -> str:
    """Say the shares that a reader would otherwise have to guess from the bars."""
    told = [f"{np.mean(latencies <= tick_ms):.0%} within a tick"]
    if allowed_ms:
        told.append(f"{np.mean(latencies <= allowed_ms):.0%} within {allowed_ms:g} ms")
    at_once = int(np.count_nonzero(latencies == 0)) / len(latencies)
    return ", ".join([*told, *([f"{at_once:.0%} at once"] if at_once else [])])


def _edges(rows: Sequence[Flown], tick_ms: float) -> Any:
    """Return logarithmic bins' edges, one of which is the tick; what takes exactly a tick is within it."""
    drawn = [answer.latency_ms for row in rows for answer in row.answers if answer.latency_ms > 0]
    lowest = min(*drawn, tick_ms / 3)
    highest = max(*drawn, 3 * tick_ms, *(1.4 * (row.allowed_ms or 0) for row in rows))
    first, last = (BINS_A_DECADE * math.log10(end / tick_ms) for end in (lowest, highest))
    return (1 + 1e-9) * tick_ms * 10 ** (np.arange(math.floor(first), math.ceil(last) + 1) / BINS_A_DECADE)


def _plainly(value: float, _: int) -> str:
    return f"{value:g}"


def _plain_decades(axis: Any, ratio: float) -> None:
    """Write an axis's ticks as numbers: 0.1, 1, 10, … and more between where it spans little."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ratio < 3e3 else (1,), numticks=20))
    axis.xaxis.set_major_formatter(FuncFormatter(_plainly))
    axis.xaxis.set_minor_formatter(NullFormatter())
