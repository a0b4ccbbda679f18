"""The table of what a conversation cost a flight, from the object that ``chat --json`` prints."""

from __future__ import annotations

from rich.table import Table

from ontick.durations import precise_ms
from ontick.records import Json
from ontick.report.tables import titled

_ROWS = {"answering": "while it answered", "silent": "while it did not"}


def talked_table(result: Json) -> Table:
    """Return one row for the ticks at which an answer was under way, and one for the others."""
    table = titled(f"{result['task']} flown by {result['controller']}")
    table.add_column("ticks")
    for heading in ("how many", "late", "decision p50", "p95"):
        table.add_column(heading, justify="right")
    for kind, name in _ROWS.items():
        found = result["ticks"][kind]
        share = f"{found['late_share']:.1%}" if found["ticks"] else "-"
        took = (_ms(found["decision_ms"][rank]) for rank in ("p50", "p95"))
        table.add_row(name, str(found["ticks"]), share, *took)
    return table


def flown_said(result: Json) -> str:
    """Say what was flown, in a line."""
    outcomes = [episode["outcome"] for episode in result["episodes"]]
    counted = ", ".join(f"{outcomes.count(outcome)} {outcome}" for outcome in dict.fromkeys(outcomes))
    return f"flown: {counted or 'nothing'}"


def _ms(value: float | None) -> str:
    return "-" if value is None else precise_ms(value)
