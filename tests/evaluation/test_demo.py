from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import tiny_pilots
from ontick.controllers.mlp import Network, network_bytes
from ontick.errors import OntickError
from ontick.evaluation import demo
from ontick.pilots import find
from ontick.records import Json, read_run
from ontick.report.document.account import read_account
from ontick.report.document.story_chapters import tell_demo
from ontick.tasks import find_task

ENTRIES = (demo.Flown("none"), demo.Flown("teacher", demo.SLOW_API), demo.Flown("smollm2"))

SHORT: demo.LineUp = {"cartpole": ENTRIES, "lunarlander": ENTRIES}


def test_the_story_is_told_and_recorded(tmp_path: Path) -> None:
    told: list[Json] = []
    story = demo.tell(tmp_path / "run", episodes=1, seed=0, flown=SHORT, on_verdict=told.append)
    assert told == story["verdicts"]
    found = {(v["task"], v["controller"]): v["verdict"] for v in story["verdicts"]}
    for task in ("cartpole", "lunarlander"):
        assert found[task, "none"] == "policy"
        assert found[task, "teacher"] == "latency"
        slow = next(v for v in story["verdicts"] if (v["task"], v["controller"]) == (task, "teacher"))
        assert slow["remedy"]["flown_by"] == "teacher"
        assert slow["remedy"]["options"] in slow["why"]
        assert found[task, "smollm2"] in {"policy", "both"}
    assert [curve["task"] for curve in story["curves"]] == ["cartpole", "lunarlander"]
    assert read_run(tmp_path / "run").summary == json.loads(json.dumps(story))
    assert demo.what_training_did(story["verdicts"]) == [], "nobody flew a trained model"


def test_a_story_cut_short_keeps_what_was_told(tmp_path: Path) -> None:
    def stop(verdict: Json) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="is kept"):
        demo.tell(tmp_path / "run", episodes=1, seed=0, flown=SHORT, on_verdict=stop)
    summary = read_run(tmp_path / "run").summary
    assert summary is not None
    assert summary["interrupted"]
    assert len(summary["verdicts"]) == 1


def ship_networks(home: Path, monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Put small networks, which need no time, in the places of the shipped adapters."""
    monkeypatch.setattr(find, "SHIPPED_HOME", home)
    for name in names:
        task = find_task(name)
        sees, acts = len(task.features), len(task.actions)
        weights = np.zeros((acts, sees), np.float32)
        if name == "cartpole":
            weights[:, 2:] = (-1, -0.25), (1, 0.25)
        layers = ((weights, np.zeros(acts, np.float32)),)
        network = Network(layers, np.zeros(sees, np.float32), np.ones(sees, np.float32))
        tiny_pilots.write_mlp(home / name, network_bytes(network, task), task=name)


def test_each_task_is_flown_by_its_own_shipped_pilot_after_the_model_as_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_networks(tmp_path, monkeypatch, "cartpole", "lunarlander")
    found = demo.line_up()
    assert list(found) == ["cartpole", "lunarlander"]
    for task, entries in found.items():
        assert [entry.controller for entry in entries[-2:]] == ["smollm2", f"pilot:{task}"]
        assert entries[:-1] == demo.ON_EVERY_TASK
    monkeypatch.setattr(find, "SHIPPED_HOME", tmp_path / "nowhere")
    assert demo.line_up() == dict.fromkeys(demo.TASKS, demo.ON_EVERY_TASK)


def test_it_ends_with_what_training_did(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ship_networks(tmp_path / "shipped", monkeypatch, "cartpole")
    flown = {"cartpole": (demo.Flown("smollm2"), demo.Flown("pilot:cartpole"))}
    story = demo.tell(tmp_path / "run", episodes=1, seed=0, flown=flown)
    (said,) = demo.what_training_did(story["verdicts"])
    assert "as it comes: 0 of 1 perfect in real time, " in said  # by policy, and on a busy machine by latency too
    assert "pilot:cartpole: 1 of 1 perfect in real time, it flies" in said
    account = read_account(tmp_path / "run", None)
    assert said in tell_demo(account, "").headline.sentences
    assert list(account.notes()) == []


def test_seeds_that_a_shipped_pilot_has_seen_are_refused_before_anything_is_flown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship_networks(tmp_path / "shipped", monkeypatch, "cartpole")
    with pytest.raises(OntickError, match="pilot:cartpole was trained on seed 2000000"):
        demo.tell(tmp_path / "run", episodes=1, seed=2_000_000)
    assert not (tmp_path / "run").exists()
