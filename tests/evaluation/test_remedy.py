from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny_pilots
from ontick.cli import main
from ontick.clock import NS_PER_MS
from ontick.controllers.catalog import Asking
from ontick.controllers.pilot import untrained_seed
from ontick.controllers.prediction import Predict
from ontick.evaluation import needs
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.remedy import FEWEST, FLIES_RATE, candidates
from ontick.evaluation.verdict import reach_verdict
from ontick.evaluation.ways import Pace
from ontick.late import LateRule
from ontick.records import Json

REMEDY = ("in_flight", "chunk", "predict", "late")

CASES = {
    "the other late rule": Setup("cartpole", "teacher", episodes=4, latency="100"),
    "plans": Setup("cartpole", "teacher", episodes=4, latency="lognormal:150,0.25", late=LateRule.NOOP),
    "the lander": Setup("lunarlander", "teacher", episodes=4, latency="lognormal:150,0.25"),
    "a rate limit": Setup("cartpole", "teacher", episodes=4, latency="80", late=LateRule.NOOP, requests_per_minute=240),
}


@pytest.fixture(scope="module", autouse=True)
def _quick_budgets() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(needs, "EPISODES", 3)  # another number than other tests fly, who count flights
        yield


def judged(setup: Setup, folder: Path) -> Json:
    return reach_verdict(replace(setup, clock=ClockName.VIRTUAL), folder).as_json()


@pytest.fixture(scope="module", params=CASES.values(), ids=list(CASES))
def verdict(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Setup, Json]:
    setup = replace(request.param, clock=ClockName.VIRTUAL)
    return setup, judged(setup, tmp_path_factory.mktemp("verdict") / "run")


def flown_again(setup: Setup, verdict: Json, tried: Json, folder: Path) -> Json:
    """Fly one of the ways tried as a setup of its own, with the latencies of the recorded run."""
    asked = replace(
        setup,
        episodes=FEWEST,
        latency=f"trace:{verdict['run']}/real_time",
        late=LateRule(tried["late"]),
        in_flight=tried["in_flight"],
        predict=Predict(tried["predict"]),
        asking=Asking(chunk=tried["chunk"]),
    )
    return evaluate(prepare(asked), folder).summary


def test_the_remedy_flies_as_a_setup_of_its_own(verdict: tuple[Setup, Json], tmp_path: Path) -> None:
    setup, found = verdict
    remedy = found["remedy"]
    summary = flown_again(setup, found, remedy, tmp_path / "run")
    assert summary["success_rate"] >= FLIES_RATE
    assert (remedy["success"], remedy["n"]) == (summary[summary["success"]], summary["n"])
    assert remedy["requests_per_second"] == pytest.approx(summary["usage"]["requests_per_second"])
    assert remedy["flown_by"] == "teacher"


def test_what_is_cheaper_does_not_fly(verdict: tuple[Setup, Json], tmp_path: Path) -> None:
    setup, found = verdict
    *failed, last = found["tried"]
    assert {key: found["remedy"][key] for key in last} == last
    assert {key: failed[0][key] for key in REMEDY} == {
        "in_flight": 1,
        "chunk": 1,
        "predict": "off",
        "late": setup.late,
    }
    for number, tried in enumerate(failed[-4:]):
        assert flown_again(setup, found, tried, tmp_path / str(number))["success_rate"] < FLIES_RATE


def test_the_sentence_says_what_to_ask_for_and_the_command_line_takes_it(
    verdict: tuple[Setup, Json], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    setup, found = verdict
    remedy, why = found["remedy"], found["why"]
    assert f"{remedy['success']} of {remedy['n']} in simulation" in why
    assert remedy["options"] in why
    assert why.endswith(".")
    asked = [] if "--late" in remedy["options"] else ["--late", setup.late]
    asked += ["--clock", "virtual", "--episodes", "1", "--json", "--runs", str(tmp_path), *remedy["options"].split()]
    assert main(["eval", setup.task, setup.controller, *asked]) == 0
    flown = json.loads(capsys.readouterr().out)
    assert {key: flown[key] for key in REMEDY} == {key: remedy[key] for key in REMEDY}


def test_candidates_respect_the_rate_limit(verdict: tuple[Setup, Json]) -> None:
    setup, found = verdict
    if setup.requests_per_minute is not None:
        # An episode may end just after a request, so there can be one more than the time has room for.
        assert all(tried["requests_per_second"] <= 1.3 * setup.requests_per_minute / 60 for tried in found["tried"])
        assert found["remedy"]["requests_per_second"] <= 1.05 * setup.requests_per_minute / 60


@given(
    st.lists(st.floats(1, 2000), min_size=1, max_size=20),
    st.none() | st.floats(10, 3000),
    st.integers(1, 40),
    st.booleans(),
    st.booleans(),
)
def test_candidates_ask_more_often_only_once_less_has_been_tried(
    latencies_ms: list[float], per_minute: float | None, in_flight: int, plans: bool, pipelines: bool
) -> None:
    setup = Setup("cartpole", "teacher", in_flight=in_flight, requests_per_minute=per_minute)
    pace = Pace.of([round(ms * NS_PER_MS) for ms in latencies_ms], 20 * NS_PER_MS, setup.spacing)
    ways = candidates(setup, pace, plans=plans, pipelines=pipelines)
    assert (in_flight, 1, Predict.OFF) in {(way.in_flight, way.chunk, way.predict) for way in ways}
    assert len(set(ways)) == len(ways)
    assert ways[0].in_flight == ways[0].chunk == 1
    asked_alike = [[way for way in ways if way.chunk == 1 and way.predict is predict] for predict in Predict]
    for alike in asked_alike:
        assert [way.in_flight for way in alike] == sorted(way.in_flight for way in alike)
    assert plans or all(way.chunk == 1 for way in ways)
    assert pipelines or all(way.in_flight in {1, in_flight} for way in ways)


def test_there_is_no_remedy_where_none_is_needed_and_none_for_a_policy(tmp_path: Path) -> None:
    for controller, latency in (("teacher", "20"), ("random", "0"), ("none", "0")):
        setup = Setup("cartpole", controller, episodes=2, latency=latency)
        found = judged(setup, tmp_path / f"{controller}{latency}")
        assert (found["remedy"], found["tried"]) == (None, [])
        assert "simulation" not in found["why"]


def test_where_no_way_flies_it_says_so(tmp_path: Path) -> None:
    found = judged(Setup("cartpole", "teacher", episodes=2, latency="1500"), tmp_path / "run")
    assert found["remedy"] is None
    assert {tried["late"] for tried in found["tried"]} == {"hold", "noop"}
    assert {tried["predict"] for tried in found["tried"]} == {"off", "target"}
    assert f"no way of asking would make it fly ({len(found['tried'])} tried" in found["why"]


def test_for_a_bad_policy_the_teacher_flies_in_its_place(tmp_path: Path) -> None:
    found = judged(Setup("cartpole", "random", episodes=4, latency="100"), tmp_path / "run")
    assert found["verdict"] == "both"
    assert found["remedy"]["flown_by"] == "teacher"
    assert "a good policy would fly" in found["why"]
    assert "by the teacher in its place" in found["why"]


OWN = """
import time
from ontick.controllers.scripted import Teacher
class Quick(Teacher):
    pass
class Slow(Teacher):
    def decide(self, observation):
        time.sleep(0.004)
        return super().decide(observation)
"""


@pytest.mark.parametrize("name", ["Quick", "Slow"])
def test_a_quick_controller_flies_itself(name: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    word = f"python:{tmp_path / 'own.py'}:{name}"
    found = judged(Setup("cartpole", word, episodes=1, latency="100"), tmp_path / "run")
    assert found["remedy"]["flown_by"] == (word if name == "Quick" else "teacher")


BLIND = """
from ontick.tasks.base import Task
from ontick.tasks.cartpole import CartPole
class Blind(CartPole):
    name = "blind"
    predict = Task.predict
"""


def test_without_a_forward_model_it_says_how_to_fit_one(tmp_path: Path) -> None:
    (tmp_path / "blind.py").write_text(BLIND)
    setup = Setup("blind", "teacher", episodes=2, latency="300", task_module=str(tmp_path / "blind.py"))
    found = judged(setup, tmp_path / "run")
    assert found["remedy"] is None
    assert {(tried["chunk"], tried["predict"]) for tried in found["tried"]} == {(1, "off")}
    assert "`ontick train blind dynamics --to DIR`" in found["why"]
    assert "--dynamics DIR" in found["why"]


def test_a_pilot_is_tried_on_seeds_that_it_was_not_trained_on(tmp_path: Path) -> None:
    folder = tiny_pilots.write_mlp(tmp_path / "p", seeds=((10, 30),))
    assert untrained_seed(f"pilot:{folder}", range(10)) == 0
    assert untrained_seed(f"pilot:{folder}", range(20)) == 31
    assert untrained_seed(f"pilot:{folder}", range(31, 51)) == 31
