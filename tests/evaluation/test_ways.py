from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.clock import NS_PER_MS
from ontick.controllers.catalog import Asking
from ontick.controllers.prediction import Predict
from ontick.errors import OntickError
from ontick.evaluation import points
from ontick.evaluation.cliff import fly_curve
from ontick.evaluation.episodes import MOST_IN_FLIGHT, ClockName, Setup, evaluate, prepare
from ontick.evaluation.points import CurveSetup
from ontick.evaluation.ways import WAYS, Pace, find_way
from ontick.late import LateRule
from ontick.plans import LONGEST_CHUNK
from ontick.records import Flight, Json, read_run

TICK_MS = 20
LANDER = Setup("lunarlander", "teacher", episodes=3, seed=7, clock=ClockName.VIRTUAL)
ACROBOT = str(Path(__file__).parents[2] / "docs" / "examples" / "acrobot.py")


def pace(*latencies_ms: float, per_minute: float | None = None) -> Pace:
    spacing = replace(LANDER, requests_per_minute=per_minute).spacing
    return Pace.of([round(ms * NS_PER_MS) for ms in latencies_ms], TICK_MS * NS_PER_MS, spacing)


def flown(name: str, latency_ms: float, folder: Path, per_minute: float | None = None) -> list[Flight]:
    setup = replace(LANDER, latency=f"{latency_ms:g}", requests_per_minute=per_minute)
    way = find_way(name, setup, pace(latency_ms, per_minute=per_minute))
    return list(evaluate(prepare(way.on(setup)), folder).flights)


@pytest.mark.parametrize("latency_ms", [0, 3, 20, 47, 100, 150, 240])
@pytest.mark.parametrize("name", ["pipelined", "pipelined+predict"])
def test_pipelined_asks_about_every_observation(name: str, latency_ms: float, tmp_path: Path) -> None:
    for flight in flown(name, latency_ms, tmp_path / "run"):
        asked = sorted(answer.observation_tick for answer in flight.answers())
        assert asked == list(range(flight.episode.steps))


@pytest.mark.parametrize("latency_ms", [0, 3, 20, 47, 100, 150, 240])
@pytest.mark.parametrize("name", ["chunked", "chunked+predict"])
@pytest.mark.parametrize("per_minute", [None, 240])
def test_from_the_first_plan_on_no_tick_is_without_one(
    name: str, latency_ms: float, per_minute: float | None, tmp_path: Path
) -> None:
    for flight in flown(name, latency_ms, tmp_path / "run", per_minute):
        sources = [tick.source.value for tick in flight.ticks]
        first = sources.index("fresh")
        assert set(sources[first:]) <= {"fresh", "planned"}
        assert flight.episode.late_ticks == first
        assert first * TICK_MS <= latency_ms + TICK_MS


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.none() | st.floats(1, 6000))
def test_every_way_can_be_asked_for_at_any_pace(latencies_ms: list[float], per_minute: float | None) -> None:
    found = pace(*latencies_ms, per_minute=per_minute)
    for name in WAYS:
        way = find_way(name, LANDER, found)
        assert 1 <= way.in_flight <= MOST_IN_FLIGHT
        assert 1 <= way.chunk <= LONGEST_CHUNK
        assert (way.predict is Predict.TARGET) == name.endswith("+predict")
        way.on(LANDER).check()
    plain, foreseen = (find_way(name, LANDER, found).chunk for name in ("chunked", "chunked+predict"))
    assert foreseen <= plain  # a plan that is made for when it lands has less to bridge


def test_what_the_user_says_stands() -> None:
    asked = replace(LANDER, in_flight=5, predict=Predict.ESTIMATE, asking=Asking(chunk=9))
    ways = {name: find_way(name, asked, pace(200)) for name in WAYS}
    assert {name: (way.in_flight, way.chunk, way.predict.value) for name, way in ways.items()} == {
        "serial": (1, 1, "off"),
        "pipelined": (5, 1, "off"),
        "chunked": (1, 9, "off"),
        "serial+predict": (1, 1, "estimate"),
        "pipelined+predict": (5, 1, "estimate"),
        "chunked+predict": (1, 9, "estimate"),
    }


def test_fewer_requests_are_open_where_the_rate_is_limited() -> None:
    assert find_way("pipelined", LANDER, pace(200)).in_flight == 11
    assert find_way("pipelined", LANDER, pace(200, per_minute=600)).in_flight == 3
    assert find_way("pipelined", LANDER, pace(200, per_minute=6)).in_flight == 2


def test_an_unknown_way_is_named_with_those_there_are() -> None:
    with pytest.raises(OntickError, match=r"did you mean 'serial'.*chunked\+predict.* or all"):
        find_way("seriel", LANDER, pace(0))


CURVE = CurveSetup(replace(LANDER, episodes=4, seed=100), (LateRule.NOOP,), (0, 20, 160), ("all",))


@pytest.fixture(scope="module")
def curve(tmp_path_factory: pytest.TempPathFactory) -> Json:
    return fly_curve(CURVE, tmp_path_factory.mktemp("ways") / "run")


def test_within_a_tick_all_ways_give_the_same_score(curve: Json) -> None:
    for delay_ms in (0, 20):
        points = [point for point in curve["points"] if point["delay_ms"] == delay_ms]
        assert [point["way"] for point in points] == list(WAYS)
        assert len({(point["score_mean"], point["landed"]) for point in points}) == 1


def test_prediction_flies_where_nothing_else_does(curve: Json) -> None:
    landed = {point["way"]: point["landed"] for point in curve["points"] if point["delay_ms"] == 160}
    assert landed["pipelined+predict"] == landed["chunked+predict"] == 4
    assert landed["serial"] == landed["serial+predict"] == 0
    assert curve["ways"]["chunked+predict"]["needs_ms"] == {"noop": 160}
    assert curve["needs_ms"] == curve["ways"]["serial"]["needs_ms"] == {"noop": 20}


def test_requests_a_second_are_those_of_the_records(curve: Json, tmp_path: Path) -> None:
    for number, point in enumerate(curve["points"][2::3]):
        asking = Asking(chunk=point["chunk"])
        asked = replace(CURVE.base, late=LateRule.NOOP, latency=f"{point['delay_ms']:g}", asking=asking)
        asked = replace(asked, in_flight=point["in_flight"], predict=Predict(point["predict"]))
        run = evaluate(prepare(asked), tmp_path / str(number)).run
        flights = list(read_run(run).flights())
        requests = sum(len(tick.answers) for flight in flights for tick in flight.ticks)
        requests += sum(len(flight.episode.uncollected) for flight in flights)
        seconds = sum(len(flight.ticks) for flight in flights) * TICK_MS / 1000
        assert point["requests_per_second"] == pytest.approx(requests / seconds)
        assert point["usd_per_hour"] is None
        way = curve["ways"][point["way"]]
        if way["needs_ms"]["noop"] == point["delay_ms"]:
            told = {key: way[key]["noop"] for key in ("in_flight", "chunk", "requests_per_second")}
            assert told == {key: point[key] for key in told}


def test_ways_are_recorded_and_do_not_depend_on_the_number_of_processes(
    curve: Json, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = read_run(Path(curve["run"]))
    assert run.summary == {key: value for key, value in curve.items() if key != "run"}
    lines = (Path(curve["run"]) / "episodes.jsonl").read_text().splitlines()
    assert {(line["way"], line["delay_ms"]) for line in map(json.loads, lines)} == {
        (way, delay) for way in WAYS for delay in CURVE.delays_ms
    }
    monkeypatch.setattr(points, "usable_cores", lambda: 1)
    assert fly_curve(CURVE, tmp_path / "run") | {"run": ""} == curve | {"run": ""}


def test_ways_that_cannot_be_are_left_out_of_all_and_refused_by_name(tmp_path: Path) -> None:
    base = Setup("acrobot", "teacher", episodes=1, clock=ClockName.VIRTUAL, task_module=ACROBOT)
    curve = fly_curve(CurveSetup(base, (LateRule.HOLD,), (0, 200), ("all",)), tmp_path / "all")
    assert list(curve["ways"]) == ["serial", "pipelined"]
    assert list(curve["left_out"]) == ["chunked", "serial+predict", "pipelined+predict", "chunked+predict"]
    assert all("no forward model" in why for why in curve["left_out"].values())
    for name in curve["left_out"]:
        with pytest.raises(OntickError, match="train acrobot dynamics"):
            fly_curve(CurveSetup(base, ways=("serial", name)), tmp_path / "named")
    assert not (tmp_path / "named").exists()


def test_a_delay_beyond_the_episode_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    setup = CurveSetup(LANDER, (LateRule.HOLD,), (0, 30_000), ("serial+predict",))
    with pytest.raises(OntickError, match="cannot look so far ahead"):
        fly_curve(setup, tmp_path / "run")
    assert not (tmp_path / "run").exists()
