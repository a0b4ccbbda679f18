from __future__ import annotations

import json
from pathlib import Path

import pytest

from ontick.errors import OntickError
from ontick.evaluation.compare import Comparison, compare
from ontick.evaluation.episodes import Setup
from ontick.evaluation.verdict import reach_verdict
from ontick.late import LateRule
from ontick.records import read_run

BASE = Setup("cartpole", "", episodes=2, seed=5)


def test_every_controller_flies_the_same_seeds_frozen_and_under_both_rules(tmp_path: Path) -> None:
    result = compare(Comparison(BASE, ["none", "smollm2"]), tmp_path / "run")
    nobody, model = result["controllers"]
    assert (nobody["model"], nobody["parameters"], nobody["decision_ms"]["p50"]) == (None, None, None)
    assert model["parameters"] == 134_515_008
    assert "SmolLM2" in model["model"]
    assert 0 < model["ttft_ms"]["p50"] <= model["decision_ms"]["max"]
    assert 4 < model["new_tokens"]["p50"] < 20
    for number in (1, 2):
        for flown in ("frozen-hold", "hold", "noop"):
            assert [episode.seed for episode in read_run(tmp_path / "run" / f"{number}" / flown).episodes] == [5, 6]
    assert (tmp_path / "run" / "1" / "frozen-noop").exists(), "without answers, the late rule decides"
    assert not (tmp_path / "run" / "2" / "frozen-noop").exists()
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == json.loads(json.dumps(result))


def test_a_row_is_what_a_verdict_says(tmp_path: Path) -> None:
    row = compare(Comparison(BASE, ["none"], (LateRule.NOOP,)), tmp_path / "run")["controllers"][0]
    alone = reach_verdict(Setup("cartpole", "none", episodes=2, seed=5, late=LateRule.NOOP), tmp_path / "alone")
    assert row["verdict"] == {LateRule.NOOP: alone.verdict}
    steps = [row["frozen"][LateRule.NOOP]["steps_median"], row["real_time"][LateRule.NOOP]["steps_median"]]
    assert steps == [alone.frozen.summary["steps_median"], alone.real_time.summary["steps_median"]]


def test_a_mistake_in_the_last_controller_shows_before_anything_is_flown(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="did you mean 'teacher'"):
        compare(Comparison(BASE, ["none", "teachr"]), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_to_compare_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="name the controllers"):
        compare(Comparison(BASE, []), tmp_path / "run")
