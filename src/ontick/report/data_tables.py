"""What does a dataset look like in a terminal? Tables from the object that ``data --json`` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from ontick.records import Json


def data_parts(data: Json) -> Iterator[RenderableType]:
    """Yield what a dataset holds, part by part."""
    yield _sources_table(data)
    yield _actions_table(data)
    late = data.get("dead_time")
    if late is not None:
        aimed = f", aimed at {late['target_ms']:.0f} ms" if late["aim"] == "target" else ""
        yield (
            f"for late answers: latency {late['latency']}, {late['in_flight']} in flight, {late['late']}{aimed}; "
            f"up to {late['pending']} pending actions"
        )
    yield f"{data['n']} states, seeds flown: {seeds_said(data['seeds'])}"


def seeds_said(ranges: Sequence[Sequence[int]]) -> str:
    """Say ranges of seeds: ``5, 2000000 to 2000099``; the first few of many."""
    said = [str(first) if first == last else f"{first} to {last}" for first, last in ranges[:6]]
    return ", ".join(said) + (f" and {len(ranges) - 6} more ranges" if len(ranges) > 6 else "") or "none"


def export_said(export: Json) -> str:
    """Say what was written, and how it is read."""
    said = f"{export['n']} demonstrations: {export['to']}"
    if "dataset_id" in export:
        return (
            f"{said}\nread it with MINARI_DATASETS_PATH={export['to']}: minari.load_dataset({export['dataset_id']!r})"
        )
    return said


def _sources_table(data: Json) -> Table:
    table = Table(box=SIMPLE_HEAD, title=escape(f"{data['task']}: where the states come from"), title_justify="left")
    table.add_column("source")
    table.add_column("states", justify="right")
    table.add_column("share", justify="right")
    for source, n in data["per_source"].items():
        table.add_row(escape(source), str(n), f"{n / data['n']:.1%}")
    return table


def _actions_table(data: Json) -> Table:
    """Return what the teacher wants, and what balancing does to it."""
    balance = data["balance"]
    table = Table(box=SIMPLE_HEAD, title="what the labeller wants there", title_justify="left")
    headings = ["states", "share"] + ([] if balance == "none" else [f"share, {balance}", "weight"])
    table.add_column("action")
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in data["table"]:
        weight = "-" if row["weight"] is None else f"{row['weight']:.2f}"
        cells = [str(row["n"]), f"{row['share']:.1%}", f"{row['balanced_share']:.1%}", weight]
        table.add_row(escape(row["action"]), *cells[: len(headings)])
    return table
