from __future__ import annotations

import itertools
import json
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ontick.controllers.catalog import Asking
from ontick.controllers.prediction import Predict
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.summary import summarise
from ontick.late import LateRule
from ontick.records import INTERRUPTED, Flight, RunWriter, read_run
from ontick.tasks import find_task

SETUP = Setup("lunarlander", "teacher", episodes=6, seed=40, clock=ClockName.VIRTUAL, latency="lognormal:60,0.5")
SETUPS = [SETUP, replace(SETUP, predict=Predict.TARGET, in_flight=8, asking=Asking(chunk=12))]


@pytest.mark.parametrize("setup", SETUPS)
def test_the_same_setup_gives_the_same_record_bit_for_bit(setup: Setup, tmp_path: Path) -> None:
    first, again = (evaluate(prepare(setup), tmp_path / name) for name in ("first", "again"))
    assert first.as_json() | {"run": ""} == again.as_json() | {"run": ""}
    assert (tmp_path / "first/ticks.jsonl.gz").read_bytes() == (tmp_path / "again/ticks.jsonl.gz").read_bytes()


@pytest.mark.parametrize("setup", SETUPS)
def test_an_episode_does_not_depend_on_those_before_it(setup: Setup, tmp_path: Path) -> None:
    alone = evaluate(prepare(replace(setup, seed=43, episodes=1)), tmp_path / "alone")
    among = evaluate(prepare(setup), tmp_path / "among")
    assert alone.flights[0].episode == among.flights[3].episode


def test_the_summary_can_be_computed_again_from_the_record(tmp_path: Path) -> None:
    summary = evaluate(prepare(SETUP), tmp_path / "run").summary
    flights = list(read_run(tmp_path / "run").flights())
    episodes = [flight.episode for flight in flights]
    ticks = [tick for flight in flights for tick in flight.ticks]
    collected = [answer.latency_ms for tick in ticks for answer in tick.answers]
    latencies = collected + [answer.latency_ms for episode in episodes for answer in episode.uncollected]
    assert len(latencies) == len(collected) + 6  # serial: one request was open at the end of each episode
    assert summary["n"] == 6
    assert [episode.seed for episode in episodes] == list(range(40, 46))
    assert summary["reward_mean"] == pytest.approx(sum(tick.reward for tick in ticks) / 6)
    assert summary["steps_median"] == statistics.median(episode.steps for episode in episodes)
    assert summary["landed"] == sum(episode.reward > 0 for episode in episodes)
    assert summary["solved"] == sum(episode.reward >= 200 for episode in episodes)
    assert summary["timeouts"] == sum(episode.steps == 1000 for episode in episodes)
    assert summary["perfect"] is None
    counted = Counter(tick.action for tick in ticks)
    assert summary["action_counts"] == {find_task("lunarlander").actions[a]: counted[a] for a in sorted(counted)}
    assert summary["decision_ms"]["p95"] == pytest.approx(float(np.percentile(latencies, 95)))
    assert summary["decision_ms"]["max"] == max(latencies)
    assert summary["tick_lateness_ms"] == {"p50": 0, "p99": 0, "max": 0}
    low, high = summary["reward_ci95"]
    assert low < summary["reward_mean"] < high


def test_interrupted_episodes_are_in_the_record_and_in_no_statistic(tmp_path: Path) -> None:
    flights = list(evaluate(prepare(SETUP), tmp_path / "run").flights)
    cut = [*flights[:5], Flight(replace(flights[5].episode, outcome=INTERRUPTED), flights[5].ticks)]
    assert summarise(find_task("lunarlander"), cut) == summarise(find_task("lunarlander"), flights[:5])


def test_a_summary_of_nothing_says_nothing() -> None:
    summary = summarise(find_task("cartpole"), [])
    assert summary["n"] == 0
    assert summary["success_rate"] is summary["reward_mean"] is summary["steps_median"] is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"episodes": 0}, "--episodes 0"),
        ({"episodes": -3}, "--episodes -3"),
        ({"seed": -1}, "--seed -1"),
        ({"in_flight": 0}, "--in-flight 0"),
        ({"requests_per_minute": 0.0}, "--requests-per-minute 0"),
        ({"predict": Predict.TARGET, "guess": "me"}, "unknown controller"),
        ({"asking": Asking(chunk=0)}, "--chunk 0"),
        ({"clock": ClockName.WALL}, "--clock virtual"),
        ({"latency": "soon"}, "bad latency model"),
        ({"delay": "soon"}, "bad latency model"),
        ({"task": "pong"}, "unknown task"),
        ({"controller": "me"}, "unknown controller"),
    ],
)
def test_a_wrong_setup_is_refused(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(OntickError, match=complaint):
        prepare(replace(SETUP, **change))  # pyright: ignore[reportArgumentType]


def test_nobody_under_each_rule(tmp_path: Path) -> None:
    """The post's first figure: no agent lives longer under zero force than under a held push."""
    nobody = Setup("cartpole", "none", episodes=50, clock=ClockName.VIRTUAL)
    held = evaluate(prepare(nobody), tmp_path / "held").summary
    still = evaluate(prepare(replace(nobody, late=LateRule.NOOP)), tmp_path / "still").summary
    assert held["action_counts"] == {"left": held["late_ticks"]}
    assert still["action_counts"] == {"zero force": still["late_ticks"]}
    assert held["steps_median"] < 16 < 30 < still["steps_median"]


@pytest.mark.parametrize("clock", ClockName)
def test_no_two_requests_start_closer_than_the_rate_allows_and_the_cost_is_told(
    clock: ClockName, tmp_path: Path
) -> None:
    setup = Setup(
        "cartpole",
        "teacher",
        episodes=2,
        clock=clock,
        in_flight=3,
        requests_per_minute=400,
        delay="20",
        late=LateRule.HOLD,
    )
    evaluation = evaluate(prepare(setup), tmp_path / "run")
    for flight in evaluation.flights:
        starts = sorted(answer.started_ms for answer in flight.answers())
        assert len(starts) > 1
        assert all(later - earlier >= 150 for earlier, later in itertools.pairwise(starts))
    usage = evaluation.summary["usage"]
    flown_s = sum(flight.episode.steps for flight in evaluation.flights) * 0.02
    assert usage["requests_per_second"] == pytest.approx(usage["requests"] / flown_s)
    assert 0 < usage["held_back_ms"]["p50"] <= 150
    free = evaluate(
        prepare(replace(setup, requests_per_minute=None, clock=ClockName.VIRTUAL)), tmp_path / "free"
    ).summary["usage"]
    assert free["held_back_ms"] is None
    assert free["requests_per_second"] > 3 * usage["requests_per_second"]


@pytest.mark.parametrize("when", ["written", "not yet"])
def test_ctrl_c_while_an_episode_is_written_leaves_record_and_summary_of_one_mind(
    when: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RunWriter.append

    def stopped_at_the_third(writer: RunWriter, *flights: Flight, **labels: object) -> None:
        third = flights[0].episode.seed == SETUP.seed + 2
        if not third or when == "written":
            append(writer, *flights, **labels)
        if third:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunWriter, "append", stopped_at_the_third)
    evaluation = evaluate(prepare(SETUP), tmp_path / "run")
    recorded = read_run(tmp_path / "run")
    assert evaluation.interrupted
    assert len(recorded.episodes) == len(evaluation.flights) == evaluation.summary["n"] == 2 + (when == "written")
    assert recorded.summary == json.loads(json.dumps(evaluation.summary))
