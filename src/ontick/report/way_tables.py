"""Tables of ways of asking, from the objects that ``--json`` prints."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from ontick.records import Json
from ontick.report.tables import titled


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
