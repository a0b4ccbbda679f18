"""Which plots does a report draw of flights and curves, and what do they show in words?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from ontick.durations import in_ms
from ontick.records import Json
from ontick.report.document import flight_plots
from ontick.report.document.curves import ways_in
from ontick.report.document.flown import Flown
from ontick.report.document.parts import Drawing
from ontick.report.plots import curves_figure, ways_figure


def drawings(flown: Sequence[Flown], prefix: str) -> Iterator[Drawing]:
    """Yield the plots of flights on one task; what would be empty is left out. Files begin with ``prefix``."""
    rows = [row for row in flown if row.flights]
    late = [row for row in rows if any(answer.latency_ms > 0 for answer in row.answers)]
    answered = [row for row in rows if row.fates]
    acted = [row for row in rows if row.summary is not None and row.summary["action_counts"]]
    plots: tuple[tuple[str, str, Sequence[Flown], Callable[[Flown], str], Callable[[Sequence[Flown]], Any]], ...] = (
        ("latency", "How long answers took, against the tick", late, _latency_told, flight_plots.latency_figure),
        ("sources", "Where each tick's action came from", rows, _sources_told, flight_plots.sources_figure),
        ("answers", "What became of the answers", answered, _fates_told, flight_plots.fates_figure),
        ("actions", "Which actions acted", acted, _actions_told, flight_plots.actions_figure),
        ("scores", "How the episodes scored", rows, _scores_told, flight_plots.scores_figure),
    )
    for name, title, shown, tell, draw in plots:
        if shown:
            yield Drawing(f"{prefix}{name}", title, " ".join(map(tell, shown)), partial(draw, shown))


def curves_drawing(curves: Sequence[Json], name: str, verdicts: Sequence[Json] = ()) -> Drawing:
    """Return the plot of latency curves, or of one that compares ways of asking."""
    told = " ".join(_curve_told(curve) for curve in curves)
    title = "Success against the delay of every answer"
    if len(curves) == 1 and ways_in(curves[0]):
        return Drawing(name, title, told, partial(ways_figure, curves[0]))
    return Drawing(name, title, told, partial(curves_figure, curves, verdicts))


def _latency_told(row: Flown) -> str:
    latencies = [answer.latency_ms for answer in row.answers]
    median, p95 = (float(value) for value in np.percentile(latencies, (50, 95)))
    allowed = f"; the task allows {row.allowed_ms:g} ms" if row.allowed_ms else ""
    tick = "" if row.tick_ms is None else f", a tick is {row.tick_ms:g} ms"
    return (
        f"{row.label}: {len(latencies)} answers took {in_ms(median)} at the median, {in_ms(p95)} at p95{tick}{allowed}."
    )


def _sources_told(row: Flown) -> str:
    return _shares_told(row.label, {source.value: times for source, times in row.sources.items()})


def _fates_told(row: Flown) -> str:
    return _shares_told(row.label, row.fates)


def _actions_told(row: Flown) -> str:
    return _shares_told(row.label, (row.summary or {})["action_counts"])


def _scores_told(row: Flown) -> str:
    rewards = [flight.episode.reward for flight in row.flights]
    return f"{row.label}: {len(rewards)} episodes, rewards from {min(rewards):.1f} to {max(rewards):.1f}."


def _shares_told(label: str, counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return f"{label}: " + ", ".join(f"{name} {times / total:.0%}" for name, times in counts.items()) + "."


def _curve_told(curve: Json) -> str:
    allowed = [f"{ms:g} ms under {rule}" for rule, ms in curve["needs_ms"].items() if ms is not None]
    delays = [point["delay_ms"] for point in curve["points"]]
    told = f"{curve['task']} flown by {curve['controller']}, answers delayed by {min(delays):g} to {max(delays):g} ms"
    return f"{told}; allowed are {', '.join(allowed)}." if allowed else f"{told}."
