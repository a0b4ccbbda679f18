from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.clock import NS_PER_MS
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.latency import Constant, Lognormal, Measured, Trace, parse_latency


@given(st.floats(0, 1e6, allow_nan=False))
def test_a_number_is_a_constant_in_milliseconds(ms: float) -> None:
    assert parse_latency(str(ms)) == Constant(ms)


@pytest.mark.parametrize("word", ["0", "40", "lognormal:150,0.25", "measured"])
def test_a_model_is_written_as_it_is_read(word: str) -> None:
    assert str(parse_latency(word)) == word


@pytest.mark.parametrize(
    "word",
    ["", "fast", "-1", "nan", "inf", "lognormal", "lognormal:", "lognormal:150", "lognormal:0,1", "lognormal:1,-1"]
    + ["lognormal:a,b", "lognormal:1,2,3", "trace:", "40:2", "measured:3", "40 ms"],
)
def test_a_malformed_model_is_refused_with_the_forms_that_are_not(word: str) -> None:
    with pytest.raises(OntickError, match="write 0, 40"):
        parse_latency(word)


def test_a_missing_trace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="give a run's folder"):
        parse_latency(f"trace:{tmp_path / 'nowhere'}")


def draws(model: Lognormal | Trace, seed: int, n: int) -> list[int]:
    stream = model.stream(seed)
    return [stream.next(tick, 0) for tick in range(n)]


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_the_same_seed_draws_the_same_latencies_and_another_others(seed: int, other: int) -> None:
    model = Lognormal(150, 0.25)
    assert draws(model, seed, 5) == draws(model, seed, 5)
    assert seed == other or draws(model, seed, 5) != draws(model, other, 5)


def test_lognormal_has_the_median_and_spread_that_it_names() -> None:
    drawn_ms = sorted(ns / NS_PER_MS for ns in draws(Lognormal(150, 0.25), 1, 20_000))
    assert statistics.median(drawn_ms) == pytest.approx(150, rel=0.02)
    # exp(0.25 * 1.645) = 1.509: the 95th percentile of a lognormal with sigma 0.25 over its median
    assert drawn_ms[19_000] / statistics.median(drawn_ms) == pytest.approx(1.509, rel=0.03)


def test_measured_is_what_was_measured() -> None:
    assert Measured().stream(0).next(3, 12345) == 12345


def test_a_trace_of_silence_is_refused(tmp_path: Path) -> None:
    evaluate(prepare(Setup("cartpole", "none", episodes=1, clock=ClockName.VIRTUAL)), tmp_path / "run")
    for place in (tmp_path / "run", tmp_path / "run" / "ticks.jsonl.gz"):
        with pytest.raises(OntickError, match="holds no answers"):
            parse_latency(f"trace:{place}")


def test_a_trace_draws_from_what_was_recorded(tmp_path: Path) -> None:
    setup = Setup("cartpole", "teacher", episodes=2, clock=ClockName.VIRTUAL, latency="lognormal:30,0.3")
    recorded = evaluate(prepare(setup), tmp_path / "run")
    known = {answer.latency_ms for flight in recorded.flights for answer in flight.answers()}
    for place in (tmp_path / "run", tmp_path / "run" / "ticks.jsonl.gz"):
        trace = parse_latency(f"trace:{place}")
        assert isinstance(trace, Trace)
        assert {ns / NS_PER_MS for ns in draws(trace, 0, 50)} <= known
        assert draws(trace, 0, 50) == draws(trace, 0, 50) != draws(trace, 1, 50)
