"""A pilot that lands and still talks: every way to that, its picture and its table in the docs, its bars as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ontick.records import Json
from ontick.report.plots import plot_frontier
from ontick.reproduction.ledger import Entry
from ontick.reproduction.recipes import Recipe
from ontick.reproduction.retention import AVERAGED, BOTH, FREE, KEPT, NARROW, TALKING
from published import script

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "images" / "retention.png"
PAGE = DOCS / "retention.md"

LINES = {FREE: "between the base and what keeps nothing", BOTH: "between the base and what rehearses"}


def points(made: Mapping[str, Entry]) -> list[Json]:
    """Return the frontier: a point for each way that is made, the base, and the points of the lines."""
    found: list[Json] = [{"name": "the base, untrained", "kind": "end", "flown": 0.0, "kept": 1.0}]
    ways = {FREE: ("keeps nothing", "end")}
    ways |= {name: (what, "narrow") for name, what in NARROW.items()}
    ways |= {name: (what, "kept") for name, (what, _) in KEPT.items()}
    ways |= {TALKING: ("the pilot", "kept")}
    for name, (what, kind) in ways.items():
        if name in made and f"asked-{name}" in made:
            flown = made[name].found.figures
            hold, asked = flown.get("frozen") or flown["hold"], made[f"asked-{name}"].found.figures
            kept = asked["still_right"] / asked["base_right"]
            found.append({"name": what, "kind": kind, "flown": hold["landed"] / hold["n"], "kept": kept})
    for name, of in AVERAGED.items():
        if name in made:
            for point in made[name].found.figures["points"]:
                flown, kept = point["flown"], point["retention"]["still_right_share"]
                share = flown["landed"] / flown["n"]
                found.append({"name": f"{point['share']:g}", "line": LINES[of], "flown": share, "kept": kept})
    return found


def draw(made: Mapping[str, Entry]) -> None:
    """Put the picture into the docs."""
    plot_frontier(points(made), PICTURE)


if __name__ == "__main__":
    script("retention", Recipe.RETENTION, page=PAGE, publish=draw)
