"""How does a reproduced table get into docs/results.md, and what does its script say last?"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import tyro

from ontick.errors import OntickError
from ontick.models.catalog import EMBEDDED
from ontick.report.reproduced_rows import shown_in
from ontick.report.reproduction_tables import markdown
from ontick.report.terminal import say_step
from ontick.reproduction.goals import judged
from ontick.reproduction.ledger import Entry, Ledger
from ontick.reproduction.recipes import Recipe, folder_of, rows_of
from ontick.reproduction.reproduce import Order, reproduce

RESULTS = Path(__file__).parents[1] / "docs" / "results.md"


@dataclass(frozen=True)
class Script:
    """Make what is missing of a table."""

    rows: tyro.conf.Positional[tuple[str, ...]] = ()
    """Only these rows, and those that they build upon."""
    quick: bool = False
    """Minutes instead of hours."""
    model: str = EMBEDDED
    """smollm2, gguf:PATH or hf:PATH_OR_HUB_ID."""
    to: Path | None = None
    """The folder of its rows."""
    jobs: int = 1
    """Rows that are made at once."""
    publish: bool = False
    """Put the table into its page of the docs; rows that stand there and are not made in the folder stay."""


def script(
    name: str,
    recipe: Recipe,
    page: Path = RESULTS,
    publish: Callable[[Mapping[str, Entry], Collection[str]], None] = lambda made, shown: None,
) -> None:
    """Make a recipe's rows as the command line asks for; the last line is one JSON object, as a benchmark's is.

    Args:
        name: the script's.
        recipe: whose rows are made.
        page: where its table goes.
        publish: does what else is to be done when it goes there, with the rows made and the names of all rows shown.
    """
    try:
        asked = tyro.cli(Script)
        rows = rows_of(recipe, asked.model, quick=asked.quick)
        folder = asked.to or folder_of(recipe, asked.model, quick=asked.quick)
        done = reproduce(Order(rows, folder, asked.rows, jobs=asked.jobs), say_step)
    except OntickError as error:
        raise SystemExit(f"{name}: {error}") from error
    ledger = Ledger(folder, rows)
    made = ledger.entries()
    if asked.publish:
        place = f"{recipe}-quick" if asked.quick else recipe.value
        table = put(place, lambda before: markdown(rows, ledger, before), page)
        publish(made, {*shown_in(table)})
    found = judged(recipe, made, quick=asked.quick, whole=len(made) == len(rows))
    print(json.dumps({"benchmark": name, "model": asked.model, **found, "failed": done.failed}), flush=True)


def put(name: str, table_after: Callable[[str], str], results: Path = RESULTS) -> str:
    """Put a table between the marks of its name, in place of what stood there, of which it is made; return it.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, found, rest = results.read_text().partition(begin)
    stood, ended, after = rest.partition(end)
    if not found or not ended:
        raise ValueError(f"{results} has no marks {begin.strip()} and {end.strip()}")
    table = table_after(stood)
    results.write_text(f"{before}{begin}\n{table}\n{end}{after}")
    return table
