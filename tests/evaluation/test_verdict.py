from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.evaluation.episodes import ClockName, Setup
from ontick.evaluation.verdict import Verdict, explain, judge, reach_verdict
from ontick.records import Json, read_run

VIRTUAL = ClockName.VIRTUAL


def summary(good: int, p95_ms: float | None = 1.0, n: int = 10) -> Json:
    rates = {"n": n, "success": "perfect", "perfect": good, "success_rate": good / n}
    return {**rates, "decision_ms": {"p95": p95_ms}, "overrun_ticks": 0}


@pytest.mark.parametrize(
    ("frozen", "real_time", "p95_ms", "verdict"),
    [
        (10, 9, 99, "flies"),
        (10, 8, 99, "latency"),
        (10, 8, 10, "latency"),
        (8, 8, 60, "policy"),
        (8, 8, 60.1, "both"),
        (0, 10, 99, "flies"),
        (0, 0, None, "policy"),
    ],
)
def test_the_judgement_follows_the_design(frozen: int, real_time: int, p95_ms: float | None, verdict: str) -> None:
    assert judge(summary(frozen), summary(real_time, p95_ms), budget_ms=60) == verdict


@given(st.integers(0, 10), st.integers(0, 10), st.none() | st.floats(0, 1e4), st.floats(1, 300), st.booleans())
def test_the_reason_is_one_sentence_with_the_counts(
    frozen: int, real_time: int, p95_ms: float | None, budget_ms: float, measured: bool
) -> None:
    found = judge(summary(frozen), summary(real_time, p95_ms), budget_ms)
    why = explain(found, summary(frozen), summary(real_time, p95_ms), budget_ms, measured)
    assert why[0].isupper()
    assert why.endswith(".")
    assert "\n" not in why
    assert f"{real_time if found in (Verdict.FLIES, Verdict.LATENCY) else frozen} of 10" in why


@pytest.mark.parametrize(
    ("controller", "latency", "verdict"),
    [
        ("teacher", "20", "flies"),
        ("teacher", "150", "latency"),
        ("random", "0", "policy"),
        ("random", "150", "both"),
        ("random", "1000", "both"),
        ("teacher", "1000", "latency"),
        ("none", "0", "policy"),
    ],
)
def test_each_verdict_on_a_real_flight(tmp_path: Path, controller: str, latency: str, verdict: str) -> None:
    setup = Setup("cartpole", controller, episodes=4, clock=VIRTUAL, latency=latency)
    judged = reach_verdict(setup, tmp_path / "run").as_json()
    assert judged["verdict"] == verdict
    assert judged["budget_ms"] == 60
    assert read_run(tmp_path / "run").summary == json.loads(json.dumps(judged))
    assert read_run(tmp_path / "run" / "frozen").summary == json.loads(json.dumps(judged["frozen"]))
    assert read_run(tmp_path / "run" / "real_time").summary == json.loads(json.dumps(judged["real_time"]))
    assert (judged["frozen"]["late_ticks"] == 0) == (controller != "none")


def test_answers_that_came_after_the_end_count_as_slow_as_they_were(tmp_path: Path) -> None:
    setup = Setup("cartpole", "random", episodes=3, clock=VIRTUAL, latency="1000")
    judged = reach_verdict(setup, tmp_path / "run").as_json()
    assert judged["real_time"]["decision_ms"] == {"p50": 1000, "p95": 1000, "p99": 1000, "max": 1000}
    assert judged["real_time"]["fresh_ticks"] == 0
    assert "1000 ms" in judged["why"]


def test_a_stalled_machine_is_named() -> None:
    real_time = {**summary(0), "overrun_ticks": 7}
    assert "stalled for 7 ticks" in explain(Verdict.LATENCY, summary(10), real_time, 60, True)


def test_ctrl_c_while_the_budget_is_flown_leaves_a_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ontick.evaluation.verdict.task_needs_ms", stop)
    with pytest.raises(KeyboardInterrupt, match="kept"):
        reach_verdict(Setup("cartpole", "random", clock=VIRTUAL), tmp_path / "run")
    assert read_run(tmp_path / "run").summary == {"interrupted": True}


def test_a_slow_api_fails_in_real_time_on_the_wall_clock(tmp_path: Path) -> None:
    setup = Setup("cartpole", "teacher", episodes=2, delay="lognormal:150,0.25")
    judged = reach_verdict(setup, tmp_path / "run").as_json()
    assert judged["verdict"] == "latency"
    assert judged["real_time"]["decision_ms"]["p50"] > 100
    assert "make it faster" in judged["why"]
