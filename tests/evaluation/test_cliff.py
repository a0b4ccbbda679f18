from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.cache import cache_folder
from ontick.controllers.catalog import Asking
from ontick.controllers.prediction import Predict
from ontick.errors import OntickError
from ontick.evaluation import needs, points
from ontick.evaluation.cliff import fly_curve, needs_ms
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.points import DELAY_TICKS, CurveSetup, Point
from ontick.late import LateRule
from ontick.records import Episode, Json, read_run
from ontick.tasks import find_task

BASE = Setup("cartpole", "teacher", episodes=8, clock=ClockName.VIRTUAL)
CURVE = CurveSetup(BASE, delays_ms=(0, 40, 60, 80, 200))


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> Json:
    return fly_curve(CURVE, tmp_path_factory.mktemp("curve") / "run")


def test_what_the_cartpole_curve_shows(curve: Json) -> None:
    hold = {point["delay_ms"]: point["perfect"] for point in curve["points"] if point["late"] == "hold"}
    assert hold == {0: 8, 40: 8, 60: 8, 80: 0, 200: 0}
    assert curve["needs_ms"]["hold"] == 60


def test_what_the_lander_curve_shows(tmp_path: Path) -> None:
    lander = replace(BASE, task="lunarlander", episodes=20)
    points = fly_curve(CurveSetup(lander, (LateRule.NOOP,), (0, 20, 40)), tmp_path / "run")["points"]
    assert [point["landed"] for point in points] == [20, 20, 0]


def test_a_point_is_an_ordinary_evaluation_with_that_delay(curve: Json, tmp_path: Path) -> None:
    for point in curve["points"][::3]:
        setup = replace(BASE, late=LateRule(point["late"]), latency=str(point["delay_ms"]))
        summary = evaluate(prepare(setup), tmp_path / f"{point['late']}{point['delay_ms']}").summary
        assert (point["n"], point["perfect"]) == (summary["n"], summary["perfect"])
        assert point["score_mean"] == pytest.approx(summary["reward_mean"])
        assert point["score_ci95"] == pytest.approx(summary["reward_ci95"])


def test_the_curve_does_not_depend_on_the_number_of_processes(
    curve: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(points, "usable_cores", lambda: 1)
    assert fly_curve(CURVE, tmp_path / "run") | {"run": ""} == curve | {"run": ""}


def test_the_curve_is_recorded(curve: Json) -> None:
    run = read_run(Path(curve["run"]))
    assert run.summary == {key: value for key, value in curve.items() if key != "run"}
    assert len(run.episodes) == 2 * 5 * 8
    lines = (Path(curve["run"]) / "episodes.jsonl").read_text().splitlines()
    assert {(line["late"], line["delay_ms"]) for line in map(json.loads, lines)} == {
        (late, delay) for late in ("hold", "noop") for delay in CURVE.delays_ms
    }


def points_of(perfect: dict[float, int], n: int) -> list[Point]:
    def episodes(good: int) -> tuple[Episode, ...]:
        return tuple(Episode(s, 500 if s < good else 9, 1.0, "", 0, 0, 0, 0) for s in range(n))

    return [Point(LateRule.HOLD, delay, episodes(good)) for delay, good in perfect.items()]


@given(st.dictionaries(st.integers(1, 300).map(float), st.integers(0, 50)), st.integers(1, 50))
def test_needs_is_the_largest_delay_that_keeps_nine_tenths(perfect: dict[float, int], undelayed: int) -> None:
    counts = {0.0: undelayed, **perfect}
    expected = max(delay for delay, good in counts.items() if 10 * good >= 9 * undelayed)
    assert needs_ms(find_task("cartpole"), points_of(counts, 50)) == expected


def test_nothing_to_keep_needs_nothing() -> None:
    assert needs_ms(find_task("cartpole"), points_of({0: 0, 20: 0}, 5)) is None


@pytest.mark.parametrize("delays", [(20, 40), (-20, 0), (0, math.nan), (math.nan, 0), (0, math.inf)])
def test_delays_must_begin_with_none(tmp_path: Path, delays: tuple[float, ...]) -> None:
    with pytest.raises(OntickError, match="--delays 0 20 40"):
        fly_curve(replace(CURVE, delays_ms=delays), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_delays_are_in_ticks_unless_told_otherwise_each_once_and_in_order() -> None:
    assert CurveSetup(BASE).filled_in(find_task("cartpole")).delays_ms == tuple(range(0, 301, 20))
    acrobot = find_task("acrobot", str(Path(__file__).parents[2] / "docs" / "examples" / "acrobot.py"))
    assert CurveSetup(BASE).filled_in(acrobot).delays_ms[-1] == 15 * 200
    assert CurveSetup(BASE, delays_ms=(40, 0, -0.0, 40)).filled_in(acrobot).delays_ms == (0, 40)


def test_what_a_task_needs_is_remembered_until_something_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "EPISODES", 4)
    flown: list[int] = []
    setup = replace(BASE, late=LateRule.HOLD, in_flight=1, controller="random")

    def count(done: int, total: int, what: str) -> None:
        flown.append(done)

    assert needs.task_needs_ms(setup, count) == 60
    assert len(flown) == len(DELAY_TICKS)
    assert needs.task_needs_ms(replace(setup, seed=9, episodes=3), count) == 60
    assert len(flown) == len(DELAY_TICKS)
    assert needs.task_needs_ms(replace(setup, in_flight=2), count) is not None
    assert len(flown) == 2 * len(DELAY_TICKS)
    for file in (cache_folder() / "needs").iterdir():
        file.write_text("{half a")
    assert needs.task_needs_ms(setup, count) == 60
    assert len(flown) == 3 * len(DELAY_TICKS)


def test_what_a_task_needs_is_flown_as_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(needs, "EPISODES", 4)
    asked = replace(BASE, controller="random", late=LateRule.NOOP, predict=Predict.TARGET, asking=Asking(chunk=20))
    assert (needs.task_needs_ms(asked) or 0) >= 360
    own = str(Path(__file__).parents[2] / "docs" / "examples" / "acrobot.py")
    monkeypatch.setattr(needs, "EPISODES", 1)
    planned = replace(BASE, task="acrobot", task_module=own, asking=Asking(chunk=20))
    assert needs.task_needs_ms(planned) == needs.task_needs_ms(replace(planned, asking=Asking()))
