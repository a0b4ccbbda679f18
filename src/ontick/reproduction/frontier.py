"""How well does each way fly, and how much does it keep? The points of the retention recipe's picture."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ontick.records import Json
from ontick.reproduction.ledger import Entry
from ontick.reproduction.retention import ALL, AVERAGED, FREE, KEPT, NARROW, NEAR, TALKING

BASE = "base"
"""Stands for a row, of which the base has none."""

LINES = {
    FREE: "between the base and what keeps nothing",
    ALL: "between the base and what is kept in all ways",
}
"""What a line between the base and a row's pilot is called."""


def points(made: Mapping[str, Entry]) -> list[Json]:
    """Return a point for the base, each way whose flights and questions are made, and each share of the lines.

    Each has its ``row``, ``name``, ``flown`` (the share of flights that land, time frozen) and ``kept`` (the share of
    the base's right answers that are still right), and either its ``kind`` or the ``line`` that it is on: see
    `plot_frontier`.
    """
    found: list[Json] = [{"row": BASE, "name": "the base, untrained", "kind": "end", "flown": 0.0, "kept": 1.0}]
    ways = {FREE: ("keeps nothing", "end")}
    ways |= {name: (what, "narrow") for name, what in NARROW.items()}
    ways |= {name: (what, "kept") for name, (what, _) in KEPT.items()}
    ways |= {TALKING: (NEAR[0], "kept")}
    for name, (what, kind) in ways.items():
        if name in made and f"asked-{name}" in made:
            flights, asked = made[name].found.figures, made[f"asked-{name}"].found.figures
            flown, kept = flights.get("frozen") or flights["hold"], asked["still_right_share"]
            if kept is not None:  # a base that answers nothing right has nothing to keep
                share = flown["landed"] / flown["n"]
                found.append({"row": name, "name": what, "kind": kind, "flown": share, "kept": kept})
    for name, of in AVERAGED.items():
        if name in made:
            for point in made[name].found.figures["points"]:
                flown, kept = point["flown"], point["retention"]["still_right_share"]
                share = flown["landed"] / flown["n"]
                found.append(
                    {"row": name, "name": f"{point['share']:g}", "line": LINES[of], "flown": share, "kept": kept}
                )
    return found


def with_those_before(found: Sequence[Json], before: Sequence[Json], rows: Collection[str]) -> list[Json]:
    """Return the points ``found`` and, of those of an earlier picture, what was read from others of ``rows`` alone."""
    others = {*rows} - {point["row"] for point in found}
    return [*(point for point in before if _read_from(point) <= others), *found]


def _read_from(point: Json) -> set[str]:
    """Return the rows that a point's two shares are of: a line's are both of one, a way's of two."""
    return {point["row"]} if "line" in point else {point["row"], f"asked-{point['row']}"}
