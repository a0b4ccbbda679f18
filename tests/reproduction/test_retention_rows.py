"""The rows of a pilot that lands and talks, made by real commands of a tiny model, give the picture its points."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import students
from ontick.records import Json
from ontick.reproduction import lunar_lander
from ontick.reproduction import reproduce as module
from ontick.reproduction.frontier import BASE, LINES, points, with_those_before
from ontick.reproduction.goals import judged
from ontick.reproduction.ledger import Entry, Ledger
from ontick.reproduction.recipes import Recipe
from ontick.reproduction.reproduce import Order, reproduce
from ontick.reproduction.retention import ALL, FREE, FULL, NEAR, QUICK, TALKING, rows
from ontick.reproduction.row import Found, Row
from rows_here import give_here

TINY = replace(
    QUICK,
    lander=replace(lunar_lander.QUICK, demonstrations=8, noisy=2, flights=2, more_flights=2, steps=2, whole_story=True),
    flights=2,
    cartpole_steps=2,
    flying_steps=2,
    compared_steps=2,
)


def test_the_chain_is_made_with_a_tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Commands, "give", give_here)
    students.rehearse_few(tmp_path, monkeypatch)
    recipe = tuple(replace(row, memory_mb=1) for row in rows(f"hf:{students.tiny_model()}", TINY))
    done = reproduce(Order(recipe, tmp_path / "rows", (f"asked-{TALKING}", f"asked-{FREE}", "averaged-kept")))
    assert not done.failed
    ledger = Ledger(tmp_path / "rows", recipe)
    made = {row.name: entry for row in recipe if (entry := ledger.entry(row)) is not None}
    figures = {name: entry.found.figures for name, entry in made.items()}
    trained = (FREE, TALKING)
    assert [figures[name]["steps"] for name in trained] == [2, 2]
    assert figures[TALKING]["frozen"]["n"] == figures[TALKING]["hold"]["n"] == 2
    drawn = points(made)
    on_the_line = [point["name"] for point in drawn if point.get("line") == LINES[ALL]]
    assert on_the_line == [f"{point['share']:g}" for point in figures["averaged-kept"]["points"]]
    assert len(on_the_line) == 4
    took_s = {name: figures[name]["prepare_s"] + figures[name]["train_s"] for name in trained}
    added = judged(Recipe.RETENTION, made, quick=True, whole=False)["figures"]["training_time_added"]
    assert took_s[FREE] * (1 + added) == pytest.approx(took_s[TALKING])


def entry(figures: Json) -> Entry:
    return Entry(Row("", "", "", (), lambda printed: Found("")), Found("", figures), {}, 1.0)


def test_the_points_are_shares_of_flights_and_of_what_the_base_knew() -> None:
    asked = {"still_right_share": 0.75}
    made = {
        FREE: entry({"hold": {"landed": 10, "n": 10}}),
        f"asked-{FREE}": entry({"still_right_share": 0.25}),
        # Two sets of flights: those with time frozen are compared.
        TALKING: entry({"frozen": {"landed": 9, "n": 10}, "hold": {"landed": 1, "n": 10}}),
        f"asked-{TALKING}": entry(asked),
        "keep-kl": entry({"hold": {"landed": 1, "n": 2}}),
        # Asked, but never flown; and flown, but of a base that knew nothing.
        "asked-keep-aim": entry(asked),
        "keep-replay": entry({"hold": {"landed": 1, "n": 2}}),
        "asked-keep-replay": entry({"still_right_share": None}),
        "averaged": entry(
            {"points": [{"share": 0.5, "flown": {"landed": 1, "n": 4}, "retention": {"still_right_share": 0.9}}]}
        ),
    }
    assert points(made) == [
        {"row": BASE, "name": "the base, untrained", "kind": "end", "flown": 0.0, "kept": 1.0},
        {"row": FREE, "name": "keeps nothing", "kind": "end", "flown": 1.0, "kept": 0.25},
        {"row": TALKING, "name": NEAR[0], "kind": "kept", "flown": 0.9, "kept": 0.75},
        {"row": "averaged", "name": "0.5", "line": LINES[FREE], "flown": 0.25, "kept": 0.9},
    ]


def test_points_of_an_earlier_picture_stay_while_their_rows_stand_in_the_table() -> None:
    lines = ("averaged", "averaged", "averaged-kept")
    before: list[Json] = [{"row": row, "name": f"{row}, before"} for row in (BASE, FREE, "keep-aim", "keep-kl")]
    before += [{"row": row, "name": f"{row}, before", "line": "a line"} for row in lines]
    found = [{"row": row, "name": f"{row}, anew"} for row in (BASE, "averaged")]
    shown = (FREE, f"asked-{FREE}", "keep-aim", "averaged", "averaged-kept", TALKING)
    names = [point["name"] for point in with_those_before(found, before, shown)]
    assert names == [f"{FREE}, before", "averaged-kept, before", f"{BASE}, anew", "averaged, anew"]


def test_the_quick_form_makes_the_pilots_alone_and_the_full_one_compares_the_ways() -> None:
    quick, full = ({row.name for row in rows("smollm2", size)} for size in (QUICK, FULL))
    assert {FREE, TALKING, "talking-cartpole", f"asked-{FREE}", f"asked-{TALKING}"} <= quick
    assert full - quick >= {ALL, "averaged", "averaged-kept", f"asked-{ALL}", "ablation-slow"}
    assert not quick - full
