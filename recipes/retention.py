"""A pilot that lands and still talks: every way to that, its picture and its table in the docs, its bars as JSON."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from ontick.cache import write_json
from ontick.records import Json
from ontick.report.plots import plot_frontier
from ontick.reproduction.frontier import points, with_those_before
from ontick.reproduction.ledger import Entry
from ontick.reproduction.recipes import Recipe
from published import script

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "images" / "retention.png"
POINTS = PICTURE.with_suffix(".json")
PAGE = DOCS / "retention.md"


def draw(made: Mapping[str, Entry], shown: Collection[str]) -> None:
    """Put the picture into the docs, and its points beside it: those of rows that stay in the table stay, too."""
    before: list[Json] = json.loads(POINTS.read_text())["points"] if POINTS.exists() else []
    found = with_those_before(points(made), before, {*shown} - {*made})
    write_json(POINTS, {"points": found})
    plot_frontier(found, PICTURE)


if __name__ == "__main__":
    script("retention", Recipe.RETENTION, page=PAGE, publish=draw)
