"""The verb that makes an experiment's whole table: reproduce. Its fields are the options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cache import made_whole
from ontick.cli.options import Shown
from ontick.errors import OntickError
from ontick.models.catalog import EMBEDDED
from ontick.records import Json
from ontick.report.reproduction_tables import as_json, bars_said, markdown, notes, results_table, rows_table
from ontick.report.terminal import say, say_step
from ontick.reproduction.goals import judged
from ontick.reproduction.ledger import Ledger
from ontick.reproduction.recipes import Recipe, folder_of, rows_of
from ontick.reproduction.reproduce import Order, Outcome, reproduce
from ontick.reproduction.row import chosen

TABLE = "results.md"
"""In the recipe's folder: the table as Markdown."""

FAILED = 1
"""Exit status when a row failed."""


@dataclass(frozen=True, kw_only=True)
class Reproduce(Shown):
    """The experiments that this program grew from: every part a row, the post's figure beside ours.

    What is there already is not made again, and what was killed goes on.
    """

    recipe: Positional[Recipe]
    rows: Positional[
        Annotated[tuple[str, ...], arg(metavar="ROW ...", help="Only these, and what they build upon; see --list.")]
    ] = ()
    quick: bool = False
    """Minutes instead of hours: fewer flights and steps, and only the trainings that lead to the pilot."""
    model: Annotated[str, arg(metavar="MODEL", help="smollm2, gguf:PATH or hf:PATH_OR_HUB_ID.")] = EMBEDDED
    to: Annotated[
        Path | None,
        arg(
            metavar="DIR",
            help="Where the rows are kept.",
            help_behavior_hint="(default: reproduced/ and the recipe's name)",
        ),
    ] = None
    list: bool = False
    """Only say which rows there are, and which are made."""
    again: bool = False
    """Make the rows that are named once more; what is there of them is set aside."""
    jobs: Annotated[
        int, arg(metavar="N", help="Rows that are made at once; what flies in real time is made alone.")
    ] = 1

    def run(self) -> int:
        """Make what is missing, and print the table."""
        if self.again and not self.rows:
            raise OntickError("--again makes named rows once more; name them, or choose another --to")
        folder = (self.to or folder_of(self.recipe, self.model, quick=self.quick)).expanduser()
        rows = rows_of(self.recipe, self.model, quick=self.quick)
        order = Order(rows, folder, self.rows, self.again, self.jobs)
        ledger, outcome = Ledger(folder, rows), Outcome()
        if not self.list:
            outcome = reproduce(order, say_step)
            _write(folder / TABLE, markdown(rows, ledger))
        made = ledger.entries()
        found = judged(self.recipe, made, quick=self.quick, whole=len(made) == len(rows))
        result: Json = {
            "recipe": self.recipe,
            "quick": self.quick,
            "model": self.model,
            "to": str(folder),
            "made": outcome.made,
            "skipped": outcome.skipped,
            "failed": outcome.failed,
            "set_aside": outcome.set_aside,
            **found,
            "rows": as_json(rows, ledger),
        }
        shown = chosen(rows, self.rows)
        if self.list:
            self.show(result, rows_table(shown, ledger))
            return 0
        title = f"{self.recipe}, {self.model}{', quick' if self.quick else ''}"
        said = (*notes(shown, ledger), *bars_said(found), f"table: {folder / TABLE}")
        self.show(result, results_table(title, shown, ledger), *said)
        if not self.json:
            for name, why in outcome.failed.items():
                say(f"{name} failed: {why}")
        return FAILED if outcome.failed else 0


def _write(path: Path, text: str) -> None:
    try:
        with made_whole(path) as partial:
            partial.write_text(text)
    except OSError as error:
        raise OntickError(f"cannot write {path} ({error.strerror}); choose another --to") from error
