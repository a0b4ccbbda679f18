from __future__ import annotations

import json
from pathlib import Path

import pytest

from ontick.evaluation import demo
from ontick.records import Json, read_run

SHORT = (("none", None), ("teacher", demo.SLOW_API), ("smollm2", None))


def test_the_story_is_told_and_recorded(tmp_path: Path) -> None:
    told: list[Json] = []
    story = demo.tell(tmp_path / "run", episodes=1, seed=0, controllers=SHORT, on_verdict=told.append)
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


def test_a_story_cut_short_keeps_what_was_told(tmp_path: Path) -> None:
    def stop(verdict: Json) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match="is kept"):
        demo.tell(tmp_path / "run", episodes=1, seed=0, controllers=SHORT, on_verdict=stop)
    summary = read_run(tmp_path / "run").summary
    assert summary is not None
    assert summary["interrupted"]
    assert len(summary["verdicts"]) == 1
