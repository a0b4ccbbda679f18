from __future__ import annotations

import json
from pathlib import Path

import pytest

from ontick.errors import OntickError
from ontick.evaluation.cliff import fly_curve
from ontick.evaluation.demo import Flown, tell
from ontick.evaluation.episodes import ClockName, Setup
from ontick.evaluation.points import CurveSetup
from ontick.evaluation.verdict import reach_verdict
from ontick.records import Json
from ontick.replays.library import Library, find_runs, replay_from, run_id, runs_in
from ontick.replays.recorded import read_recorded
from recorded_flights import fly


def names(library: Library) -> list[str]:
    return [run["name"] for run in library.listing()["runs"]]


def by_name(library: Library, name: str) -> Json:
    return next(run for run in library.listing()["runs"] if run["name"] == name)


def test_a_verdicts_folder_shows_as_its_two_runs(tmp_path: Path) -> None:
    setup = Setup("cartpole", "random", episodes=2, clock=ClockName.VIRTUAL, latency="30")
    reach_verdict(setup, tmp_path / "judged")
    library = Library(tmp_path)
    assert sorted(names(library)) == ["judged/frozen", "judged/real_time"]
    assert [run.name for run in find_runs(tmp_path)] == ["judged", "judged/frozen", "judged/real_time"]
    frozen = by_name(library, "judged/frozen")
    assert (frozen["verb"], frozen["task"], frozen["controller"], frozen["episodes"]) == (
        "eval",
        "cartpole",
        "random",
        2,
    )
    assert frozen["damaged"] is None
    assert sorted(names(Library(tmp_path / "judged"))) == ["frozen", "real_time"]
    assert [run.name for run in runs_in(tmp_path / "judged" / "frozen")] == ["frozen"]


def test_a_demos_verdicts_and_curves_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ontick.evaluation.demo.EPISODES", 1)
    tell(tmp_path / "story", episodes=1, seed=0, flown={"cartpole": [Flown("none")]})
    library = Library(tmp_path)
    told = ["story/cartpole-curve", "story/cartpole-none/frozen", "story/cartpole-none/real_time"]
    assert sorted(names(library)) == told
    curve = library.run(by_name(library, "story/cartpole-curve")["id"])
    assert {"it keeps no ticks, so its episodes cannot be replayed"} == set(curve["notes"])
    assert not any(episode["replay"] for episode in curve["episodes"])
    assert {episode["late"] for episode in curve["episodes"]} == {"hold", "noop"}
    with pytest.raises(OntickError, match="keeps no ticks"):
        library.replay(curve["id"], 0)


def test_a_page_gets_what_the_record_says(tmp_path: Path) -> None:
    flown = fly(tmp_path / "a" / "flown", "lunarlander", "random", episodes=3)
    library = Library(tmp_path)
    run = by_name(library, "a/flown")
    told = library.run(run["id"])
    assert told["notes"] == []
    assert told["asked"]["controller"] == "random"
    assert told["summary"]["n"] == 3
    kinds = {seed: kind for kind, seeds in flown.summary["failures_left"].items() for seed in seeds}
    for number, (episode, flight) in enumerate(zip(told["episodes"], flown.flights, strict=True)):
        assert episode["number"] == number
        assert episode["replay"] is True
        assert (episode["seed"], episode["outcome"], episode["steps"], episode["reward"]) == (
            flight.episode.seed,
            flight.episode.outcome,
            flight.episode.steps,
            flight.episode.reward,
        )
        assert episode["failure"] == kinds.get(flight.episode.seed)
        assert episode["success"] is (flight.episode.seed not in kinds)
        replay = library.replay(run["id"], number)
        assert replay == replay_from(read_recorded(tmp_path / "a" / "flown"), number)
        assert replay["failure"] == episode["failure"]
        json.dumps([told, replay], allow_nan=False)


def test_the_newest_run_comes_first_and_a_damaged_one_is_named(tmp_path: Path) -> None:
    for number, started in enumerate(("2026-01-02", "2026-01-03", "2026-01-01")):
        fly(tmp_path / f"run{number}", "cartpole", "random", episodes=1)
        path = tmp_path / f"run{number}" / "run.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "started_utc": started}))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "run.json").write_text('{"asked": ')
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "run.json").write_text('{"asked": {"verb": "eval", "seeds": [0, 1]}}')
    (tmp_path / ".hidden" / "run").mkdir(parents=True)
    (tmp_path / ".hidden" / "run" / "run.json").write_text('{"asked": {}}')
    (tmp_path / "no run").mkdir()
    library = Library(tmp_path)
    assert names(library) == ["run1", "run0", "run2", "begun", "bad"]
    assert "damaged" in by_name(library, "bad")["damaged"]
    assert "\n" not in by_name(library, "bad")["damaged"]
    begun = library.run(by_name(library, "begun")["id"])
    assert begun["episodes"] == []
    assert "0 of 2 episodes are recorded; not seeds 0, 1" in begun["notes"]
    with pytest.raises(OntickError, match="damaged"):
        library.run(by_name(library, "bad")["id"])


def test_a_run_is_named_by_its_id_and_by_nothing_else(tmp_path: Path) -> None:
    fly(tmp_path / "runs" / "mine", "cartpole", "random", episodes=1)
    fly(tmp_path / "secret", "cartpole", "random", episodes=1)
    library = Library(tmp_path / "runs")
    assert library.listing()["runs"][0]["id"] == run_id("mine")
    for asked in ("mine", "../secret", str(tmp_path / "secret"), run_id("../secret"), "", "."):
        with pytest.raises(OntickError, match="no such run"):
            library.run(asked)
        with pytest.raises(OntickError, match="no such run"):
            library.replay(asked, 0)


def test_what_holds_no_run_is_said_so(tmp_path: Path) -> None:
    assert Library(tmp_path / "not there yet").listing()["runs"] == []
    for folder in (tmp_path, tmp_path / "not there yet"):
        with pytest.raises(OntickError, match="holds no run"):
            runs_in(folder)


def test_a_curve_of_one_point_a_rule_has_its_labels(tmp_path: Path) -> None:
    base = Setup("cartpole", "none", episodes=1, clock=ClockName.VIRTUAL)
    fly_curve(CurveSetup(base, delays_ms=(0.0, 40.0)), tmp_path / "curve")
    recorded = read_recorded(tmp_path / "curve")
    assert {(label.late, label.delay_ms) for label in recorded.labels} == {
        (late, delay) for late in ("hold", "noop") for delay in (0.0, 40.0)
    }
