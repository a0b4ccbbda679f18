"""A pilot that lands and still talks: every way to that, its picture and its table in the docs, its bars as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ontick.report.plots import plot_frontier
from ontick.reproduction.frontier import points
from ontick.reproduction.ledger import Entry
from ontick.reproduction.recipes import Recipe
from published import script

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "images" / "retention.png"
PAGE = DOCS / "retention.md"


def draw(made: Mapping[str, Entry]) -> None:
    """Put the picture into the docs."""
    plot_frontier(points(made), PICTURE)


if __name__ == "__main__":
    script("retention", Recipe.RETENTION, page=PAGE, publish=draw)
