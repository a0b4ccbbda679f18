"""``ontick latency`` says how fast a controller answers, and where the time goes."""

from __future__ import annotations

import json

import pytest

from api_server import KEY, Proxy
from ontick.cli import main
from ontick.controllers.catalog import Asking
from ontick.evaluation.decision_latency import LatencySetup, measure_latency
from ontick.models.base import ModelOptions, Reading
from ontick.records import Json

PERCENTILES = {"p50", "p95", "p99", "max"}
AS_IS = ("--model.quantisation", "as-is")


def latency_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Json:
    assert main(["latency", *arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert KEY not in captured.out + captured.err
    return json.loads(captured.out)


def test_it_prints_the_designs_keys(capsys: pytest.CaptureFixture[str]) -> None:
    result = latency_json(capsys, "smollm2", "--n", "3", *AS_IS)
    assert set(result["e2e_ms"]) == set(result["ttft_ms"]) == PERCENTILES
    assert result["ttft_ms"] == result["e2e_ms"]  # one reading gives the answer
    assert (result["n"], result["task"], result["quantisation"]) == (3, "cartpole", "Q4_1")
    assert "SmolLM2" in result["model"]
    assert 0 < result["new_tokens"] < result["prefix_tokens"]
    assert result["failures"] == {}
    assert result["connection"] is result["tokens_per_second"] is None


def test_a_model_that_writes_tells_its_first_token_and_its_rate(capsys: pytest.CaptureFixture[str]) -> None:
    result = latency_json(capsys, "lunarlander", "smollm2", "--n", "2", "--reading", "generate", *AS_IS)
    assert 0 < result["ttft_ms"]["p50"] < result["e2e_ms"]["p50"]
    assert result["tokens_per_second"] > 0
    assert result["prompt_tokens"] > result["completion_tokens"] > 1
    assert result["task"] == "lunarlander"


def test_a_controller_without_a_model_has_no_first_token(capsys: pytest.CaptureFixture[str]) -> None:
    result = latency_json(capsys, "lunarlander", "teacher", "--n", "20")
    assert result["e2e_ms"]["p50"] > 0
    assert set(result["ttft_ms"].values()) == {None}
    assert result["model"] is result["new_tokens"] is result["connection"] is None


def test_an_api_tells_the_line_too(proxy: Proxy, capsys: pytest.CaptureFixture[str]) -> None:
    result = latency_json(capsys, proxy.word, "--n", "3")
    assert len(proxy.questions) == 1 + 3  # the warm-up's, and those that were asked for
    assert 0 < result["ttft_ms"]["p50"] <= result["e2e_ms"]["p50"]
    line = result["connection"]
    assert set(line) == {"host", "connect_ms", "tls_ms", "round_trip_ms", "jitter_ms", "failures", "n"}
    assert set(line["round_trip_ms"]) == PERCENTILES
    assert line["n"] == 20
    assert f"127.0.0.1:{proxy.port}" == line["host"]
    assert "are the line" in result["why"]
    assert main(["latency", proxy.word, "--n", "1"]) == 0
    shown = capsys.readouterr().out
    assert "round trip" in shown
    assert "are the line" in shown


def test_failures_are_counted_by_kind(proxy: Proxy) -> None:
    proxy.after_warm_up("digit", "429", "hang", "digit")
    asking = Asking(model=ModelOptions(timeout_s=0.3), reading=Reading.GENERATE)
    result = measure_latency(LatencySetup("cartpole", proxy.word, n=4, asking=asking))
    assert result["failures"] == {"http_429": 1, "timeout": 1}
    assert result["e2e_ms"]["max"] >= 300  # a question that hangs takes as long as it is waited for
    assert (result["prompt_tokens"], result["completion_tokens"]) == (100, 1)


def test_the_same_seed_asks_the_same_questions(proxy: Proxy) -> None:
    proxy.fault = lambda number: "digit"
    asked: list[list[Json]] = []
    for seed in (3, 3, 4):
        before = len(proxy.questions)
        measure_latency(LatencySetup("cartpole", proxy.word, n=30, seed=seed))
        asked.append([question.body for question in proxy.questions[before + 1 :]])
    assert asked[0] == asked[1] != asked[2]
    assert len({json.dumps(body) for body in asked[0]}) == 30


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "see: ontick latency --help"),
        (["cartpole", "teacher", "more"], "see: ontick latency --help"),
        (["teacher", "--n", "0"], "give 1 or more"),
        (["teacher", "--seed", "-1"], "give 0 or more"),
        (["nobody"], "unknown controller"),
        (["mars", "teacher"], "unknown task"),
        (["api:groq/llama-3.1-8b-instant"], "GROQ_API_KEY"),
        (["api:http://127.0.0.1:1/v1#m"], "cannot reach"),
        (["api:https://me:hunter2@127.0.0.1:1/v1#m"], "ONTICK_API_KEY"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    assert main(["latency", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert says in captured.err
    assert "hunter2" not in captured.err
