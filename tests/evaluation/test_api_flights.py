"""Whatever an API does, the episode goes on under the late rule, and each failure is counted by its kind."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from api_server import FAILURE_OF, KEY, PASS, USAGE, Proxy
from ontick.cli import main
from ontick.controllers.catalog import Asking
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.summary import summarise
from ontick.late import LateRule
from ontick.models.base import ModelOptions
from ontick.records import INTERRUPTED, read_run
from ontick.tasks import find_task


def setup_of(proxy: Proxy, task: str, clock: ClockName, **model: object) -> Setup:
    options = replace(ModelOptions(timeout_s=3), **model)
    return Setup(task, proxy.word, episodes=1, clock=clock, late=LateRule.NOOP, asking=Asking(model=options))


def assert_no_key_in(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert KEY.encode() not in (gzip.decompress(data) if file.suffix == ".gz" else data), file


def test_every_failure_is_counted_by_kind_and_the_episode_flies_to_its_end(proxy: Proxy, tmp_path: Path) -> None:
    proxy.after_warm_up(*FAILURE_OF, PASS, *["digit"] * 60)
    evaluation = evaluate(prepare(setup_of(proxy, "lunarlander", ClockName.VIRTUAL)), tmp_path / "run")
    flown = proxy.done[1:]
    assert set(flown) >= {*FAILURE_OF, PASS, "digit"}  # everything came up
    expected = Counter(FAILURE_OF[fault] for fault in flown if fault in FAILURE_OF)
    expected["prose"] = flown.count(PASS)  # the real model's own words
    assert evaluation.summary["failures"] == expected
    assert evaluation.summary["invalid_answers"] == expected.total()
    assert evaluation.summary["fresh_ticks"] == flown.count("digit")
    (episode,) = evaluation.flights
    assert episode.episode.outcome in {"crash", "landed", "solved", "timeout"}
    assert_no_key_in(tmp_path)
    assert summarise(find_task("lunarlander"), list(read_run(tmp_path / "run").flights())) == evaluation.summary
    (limited, *_) = [answer for answer in episode.answers() if answer.failure == "http_429"]
    assert "retry-after: 7" in str(limited.text)


@pytest.mark.parametrize("in_flight", [1, 4])
def test_in_real_time_too(in_flight: int, proxy: Proxy, tmp_path: Path) -> None:
    proxy.after_warm_up(*FAILURE_OF)
    setup = replace(setup_of(proxy, "cartpole", ClockName.WALL), in_flight=in_flight, late=LateRule.HOLD)
    evaluation = evaluate(prepare(setup), tmp_path / "run")
    flown = proxy.done[1:]
    assert evaluation.summary["failures"] == Counter(FAILURE_OF[fault] for fault in flown)
    assert evaluation.flights[0].episode.outcome == "fell"
    assert evaluation.summary["fresh_ticks"] == 0
    assert_no_key_in(tmp_path)


def test_requests_that_hang_are_given_up_and_recorded(proxy: Proxy, tmp_path: Path) -> None:
    proxy.after_warm_up("hang")
    setup = replace(setup_of(proxy, "cartpole", ClockName.WALL), in_flight=3)
    evaluation = evaluate(prepare(setup), tmp_path / "run")
    answers = evaluation.flights[0].answers()
    assert [answer.failure for answer in answers] == ["timeout"] * len(answers)
    assert len(answers) == len(proxy.done) - 1 >= 3
    assert evaluation.summary["ttft_ms"]["p50"] is None


def test_tokens_and_cost_are_added_up_over_all_requests(proxy: Proxy, tmp_path: Path) -> None:
    proxy.after_warm_up("digit", "digit", "500")
    setup = setup_of(proxy, "cartpole", ClockName.VIRTUAL, price=(3.0, 15.0))
    summary = evaluate(prepare(replace(setup, episodes=2)), tmp_path / "run").summary
    flown = proxy.done[1:]
    counted = flown.count("digit")
    usage = summary["usage"]
    assert usage["requests"] == len(flown)
    assert usage["uncounted"] == flown.count("500") > 0
    assert usage["prompt_tokens"] == USAGE["prompt_tokens"] * counted
    assert usage["completion_tokens"] == counted
    assert usage["usd"] == pytest.approx(counted * (USAGE["prompt_tokens"] * 3 + 15) / 1e6)
    assert usage["usd_per_episode"] == pytest.approx(usage["usd"] / 2)
    assert summary["ttft_ms"]["p50"] > 0


def test_without_a_price_or_counted_tokens_nothing_is_made_up(proxy: Proxy, tmp_path: Path) -> None:
    proxy.after_warm_up("digit")
    usage = evaluate(prepare(setup_of(proxy, "cartpole", ClockName.VIRTUAL)), tmp_path / "a").summary["usage"]
    assert usage["usd"] is usage["usd_per_episode"] is None
    proxy.done.clear()
    proxy.after_warm_up("500")
    setup = setup_of(proxy, "cartpole", ClockName.VIRTUAL, price=(1.0, 1.0))
    usage = evaluate(prepare(setup), tmp_path / "b").summary["usage"]
    assert usage["uncounted"] == usage["requests"] > 0
    assert usage["prompt_tokens"] is usage["completion_tokens"] is usage["usd"] is None


@pytest.mark.parametrize(("faults", "bound"), [(("digit", "500"), "at least "), (("digit",), "")])
def test_the_table_says_when_a_cost_is_a_lower_bound(
    faults: tuple[str, ...], bound: str, proxy: Proxy, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy.after_warm_up(*faults)
    options = ["--clock", "virtual", "--episodes", "1", "--model.price", "1000", "2000", "--runs", str(tmp_path)]
    assert main(["eval", "cartpole", proxy.word, *options]) == 0
    captured = capsys.readouterr()
    counted = proxy.done[1:].count("digit")
    rows = [" ".join(line.split()) for line in captured.out.splitlines()]
    assert f"tokens read, written {bound}{100 * counted}, {counted}" in rows
    assert f"cost in all {bound}${counted * 0.102:.3g}" in rows
    assert KEY not in captured.out + captured.err


def test_a_price_that_is_none_is_refused(proxy: Proxy) -> None:
    for price in ((-1.0, 0.0), (0.0, float("nan"))):
        with pytest.raises(OntickError, match=r"--model\.price 0\.05 0\.08"):
            prepare(setup_of(proxy, "cartpole", ClockName.VIRTUAL, price=price))


@pytest.mark.parametrize("clock", ["wall", "virtual"])
def test_ctrl_c_does_not_wait_for_an_api_that_hangs(clock: str, proxy: Proxy, tmp_path: Path) -> None:
    proxy.after_warm_up("hang")
    command = [sys.executable, "-m", "ontick", "eval", "cartpole", proxy.word, "--clock", clock, "--runs"]
    process = subprocess.Popen(
        [*command, str(tmp_path), "--model.timeout-s", "300"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while len(proxy.done) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert KEY not in out + err
    (folder,) = tmp_path.iterdir()
    run = read_run(folder)
    assert run.summary is not None
    assert all(episode.outcome == INTERRUPTED for episode in run.episodes)
    assert_no_key_in(tmp_path)
