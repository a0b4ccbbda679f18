"""What a lane flies is recorded as eval records it, with what is special about each episode."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ontick.evaluation.episodes import ClockName, Setup, prepare
from ontick.evaluation.summary import summarise
from ontick.late import LateRule
from ontick.records import read_run
from ontick.viewer.lanes import recording
from ontick.viewer.lanes.recording import Change, Conditions, Recording

SETUP = Setup("cartpole", "none", clock=ClockName.VIRTUAL)
PLAIN = Conditions("hold", 0.0, 1.0, (), None)
TAKEN = Conditions(LateRule.HOLD, 40.0, 1.0, (Change(3, "delay_ms", 80.0), Change(7, "you", True)), 7)


def test_episodes_say_how_they_were_flown_and_the_summary_counts_it(tmp_path: Path) -> None:
    prepared = prepare(SETUP)
    record = Recording(prepared.task, SETUP, tmp_path, ("watch",))
    assert not list(tmp_path.iterdir())  # a controller that does not load leaves nothing
    record.open()
    flights = [prepared.fly(prepared.dressed(), seed) for seed in (4, 5)]
    places = [record.append(flight, how) for flight, how in zip(flights, (PLAIN, TAKEN), strict=True)]
    (folder,) = tmp_path.iterdir()
    assert places == [(folder, 0), (folder, 1)]
    record.finish()
    record.finish()  # there is nothing more to end
    run = read_run(folder)
    assert [episode.seed for episode in run.episodes] == [4, 5]
    assert run.run["asked"]["verb"] == "watch"
    labels = [json.loads(line) for line in (folder / "episodes.jsonl").read_text().splitlines()]
    assert labels[0]["you_from_tick"] is None
    assert labels[1]["changes"] == [{"tick": 3, "delay_ms": 80.0}, {"tick": 7, "you": True}]
    assert labels[1]["you_from_tick"] == 7
    assert run.summary == {**summarise(prepared.task, flights), "flown_by_you": 1, "changed_in_flight": 1}


def test_a_run_that_is_full_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "MOST_EPISODES", 2)
    prepared = prepare(SETUP)
    record = Recording(prepared.task, SETUP, tmp_path, ("watch",))
    numbers: list[int] = []
    for seed in range(5):
        record.open()
        numbers.append(record.append(prepared.fly(prepared.dressed(), seed), PLAIN)[1])
    record.finish()
    assert numbers == [0, 1, 0, 1, 0]
    runs = [read_run(folder) for folder in sorted(tmp_path.iterdir())]
    assert [len(run.episodes) for run in runs] == [2, 2, 1]
    assert all(run.summary is not None for run in runs)
