from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from ontick.errors import OntickError
from ontick.evaluation.cliff import fly_curve
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.points import CurveSetup
from ontick.evaluation.verdict import reach_verdict
from ontick.records import Json
from ontick.report import tables
from ontick.report.model_tables import comparison_table
from ontick.report.plots import plot_curves, plot_ways
from ontick.report.terminal import without_box
from ontick.report.way_tables import remedies_table, ways_table

SETUP = Setup("cartpole", "teacher", episodes=2, clock=ClockName.VIRTUAL)


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> Json:
    return fly_curve(CurveSetup(SETUP, delays_ms=(0, 60, 80)), tmp_path_factory.mktemp("curve") / "run")


def text(table: object) -> str:
    console = Console(width=80, no_color=True)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_the_evaluation_table_says_the_counts(tmp_path: Path) -> None:
    shown = text(tables.evaluation_table(evaluate(prepare(SETUP), tmp_path / "run").as_json()))
    assert "2/2" in shown
    assert "1000 of 1000" in shown


def test_the_evaluation_table_says_the_rut_and_the_gap(tmp_path: Path) -> None:
    late = replace(SETUP, latency="150", episodes=3)
    shown = " ".join(text(tables.evaluation_table(evaluate(prepare(late), tmp_path / "late").as_json())).split())
    assert "agrees with the teacher in 100 % of the states it answers" in shown
    assert "its answers come too late." in shown
    assert "in a rut" not in shown
    own = tmp_path / "own.py"
    own.write_text(
        "from ontick.controllers.base import Decision\nclass Stuck:\n    def __init__(self, task): pass\n"
        "    def reset(self, seed): pass\n    def decide(self, observation): return Decision(1)\n"
        "class Garbled(Stuck):\n    def decide(self, observation): return Decision(None, valid=False, text='?')\n"
    )
    stuck = replace(SETUP, controller=f"python:{own}:Stuck", episodes=3)
    shown = text(tables.evaluation_table(evaluate(prepare(stuck), tmp_path / "stuck").as_json()))
    assert "always right" in shown
    garbled = replace(SETUP, controller=f"python:{own}:Garbled")
    shown = text(tables.evaluation_table(evaluate(prepare(garbled), tmp_path / "garbled").as_json()))
    assert "entropy" not in shown
    assert "in a rut" not in shown


def test_the_verdict_table_fits_eighty_columns(tmp_path: Path) -> None:
    judged = reach_verdict(Setup("lunarlander", "teacher", episodes=3, delay="lognormal:150,0.25"), tmp_path / "run")
    shown = text(tables.verdict_table([judged.as_json()]))
    assert "…" not in shown
    for word in ("lunarlander", "lognormal:150,0.25", "3/3", "0/3", "60 ms", "latency"):
        assert word in shown


def test_the_curve_table_has_a_row_a_delay(curve: Json) -> None:
    shown = text(tables.curve_table(curve))
    assert [row for row in ("0 ms", "60 ms", "80 ms") if row in shown] == ["0 ms", "60 ms", "80 ms"]
    assert "2/2" in shown
    assert "0/2" in shown


@pytest.mark.parametrize(("ending", "starts"), [("png", b"\x89PNG"), ("svg", b"<?xml")])
def test_curves_are_drawn(curve: Json, tmp_path: Path, ending: str, starts: bytes) -> None:
    path = tmp_path / f"curve.{ending}"
    plot_curves([curve, curve], path)
    assert path.read_bytes().startswith(starts)


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Json:
    setup = CurveSetup(SETUP, delays_ms=(0, 60, 200), ways=("all",))
    return fly_curve(setup, tmp_path_factory.mktemp("ways") / "run")


@pytest.mark.parametrize("late_rules", [("hold", "noop"), ("noop",)])
def test_ways_are_drawn(ways: Json, tmp_path: Path, late_rules: tuple[str, ...]) -> None:
    path = tmp_path / "ways.svg"
    plot_ways({**ways, "needs_ms": dict.fromkeys(late_rules)}, path)
    drawn = path.read_text()
    assert drawn.startswith("<?xml")
    for name, way in ways["ways"].items():
        for rule in late_rules:
            assert f"{name}: allows {way['needs_ms'][rule]:g} ms" in drawn


def test_the_table_of_ways_fits_eighty_columns(ways: Json) -> None:
    shown = text(ways_table(ways))
    assert "…" not in shown
    assert "$/h" not in shown
    for name, way in ways["ways"].items():
        assert shown.count(f" {name} ") == 2
        for needs in way["needs_ms"].values():
            assert f"{needs:g} ms" in shown
    priced = {name: {**way, "usd_per_hour": {"hold": 12.345, "noop": 0.5}} for name, way in ways["ways"].items()}
    shown = text(ways_table({**ways, "ways": priced}))
    assert "…" not in shown
    assert shown.count("12.3") == len(priced)


def test_the_table_of_remedies_fits_eighty_columns(tmp_path: Path) -> None:
    setup = Setup("lunarlander", "teacher", episodes=1, clock=ClockName.VIRTUAL, delay="lognormal:150,0.25")
    judged = reach_verdict(setup, tmp_path / "run").as_json()
    shown = text(*remedies_table([judged]))
    assert "…" not in shown
    words = " ".join(shown.split())
    for told in ("lunarlander", "lognormal:150,0.25", "--predict target", f"{judged['remedy']['success']}/20"):
        assert told in words
    assert remedies_table([{**judged, "remedy": None}]) == []


def test_a_picture_that_cannot_be_written_is_said_so(curve: Json, tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="cannot write"):
        plot_curves([curve], tmp_path / "nowhere" / "curve.png")


def test_a_usage_box_becomes_a_line() -> None:
    box = (
        "╭─ Value error ──────────────╮\n│ Error parsing --episodes: │\n│ 'abc'. │\n│ ────────────── │\n"
        "│ For full helptext, see ontick eval --help │\n╰────────╯"
    )
    assert without_box(box) == "Error parsing --episodes: 'abc'"


def test_the_comparison_of_models_fits_eighty_columns() -> None:
    counted = {"success": "perfect", "perfect": 12, "n": 50}
    times = {"p50": 123.4, "p95": 234.5, "p99": 345.6, "max": 400.0}
    row: Json = {
        "controller": "hf:meta-llama/Llama-3.2-1B-Instruct",
        "parameters": 1_235_814_400,
        "quantisation": "bfloat16",
        "new_tokens": {"p50": 17.0, "max": 20.0},
        "decision_ms": times,
        "ttft_ms": times,
        "frozen": {"hold": counted, "noop": counted},
        "real_time": {"hold": counted, "noop": counted},
        "verdict": {"hold": "latency", "noop": "policy"},
    }
    table = comparison_table({"task": "cartpole", "budget_ms": {"hold": 60.0, "noop": 140.0}, "controllers": [row]})
    shown = text(table)
    for told in ("1.2B", "bfloat16", "17", "123/234/346", "12/50", "hold: latency", "noop: policy"):
        assert told in shown
