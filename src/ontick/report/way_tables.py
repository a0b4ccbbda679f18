"""Tables of ways of asking, from the objects that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from ontick.records import Json
from ontick.report.tables import controller_name, titled


def remedies_table(verdicts: Sequence[Json]) -> list[Table]:
    """Return one row a verdict that says which way of asking would fly; no table where none does."""
    found = [verdict for verdict in verdicts if verdict["remedy"] is not None]
    if not found:
        return []
    table = titled("Asked otherwise they would fly, in simulation with the same latencies")
    for heading in ("task", "controller", "asked with", "flown by"):
        table.add_column(heading)
    table.add_column("success", justify="right")
    for verdict in found:
        remedy = verdict["remedy"]
        options = remedy["options"] or "the same"
        success = f"{remedy['success']}/{remedy['n']}"
        table.add_row(
            escape(verdict["task"]), escape(controller_name(verdict)), options, escape(remedy["flown_by"]), success
        )
    return [table]


def ways_table(curve: Json) -> Table:
    """Return one row a way of asking and late rule: what it allows, and what it takes there."""
    table = titled(f"{curve['task']} flown by {curve['controller']}, answers delayed: what each way of asking allows")
    for heading in ("asked", "late"):
        table.add_column(heading)
    dollars = any(usd is not None for way in curve["ways"].values() for usd in way["usd_per_hour"].values())
    for heading in ("allows", "in flight", "actions", "requests/s", *(["$/h"] if dollars else [])):
        table.add_column(heading, justify="right")
    for name, way in curve["ways"].items():
        for rule, needs in way["needs_ms"].items():
            cells = [escape(name), rule, "-" if needs is None else f"{needs:g} ms"]
            if needs is not None:
                cells += [f"{way[key][rule]}" for key in ("in_flight", "chunk")]
                cells += [f"{way[key][rule]:.3g}" for key in ("requests_per_second", "usd_per_hour")[: 1 + dollars]]
            table.add_row(*cells)
    return table


def left_out_line(curve: Json) -> list[str]:
    """Return which ways could not be flown and why, as a line; no line where all could."""
    left_out = curve["left_out"]
    return [f"left out: {', '.join(left_out)} ({next(iter(left_out.values()))})"] if left_out else []
