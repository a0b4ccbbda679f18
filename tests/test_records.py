from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Evaluation, Setup, evaluate, prepare
from ontick.late import Source
from ontick.records import (
    AnswerRecord,
    Episode,
    Flight,
    RunWriter,
    Tick,
    episode_from_json,
    episode_to_json,
    new_run_folder,
    read_run,
    tick_from_json,
    tick_to_json,
)

finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
answer_records = st.builds(
    AnswerRecord,
    st.integers(0, 999),
    finite,
    finite,
    st.none() | st.integers(0, 3),
    st.booleans(),
    st.none() | st.text(),
    st.none() | st.sampled_from(["timeout", "prose"]),
    st.none() | finite,
    st.none() | st.integers(0, 999),
    st.none() | st.integers(0, 999),
    st.none() | st.integers(0, 999),
    st.lists(st.integers(0, 3), max_size=4).map(tuple),
    st.none() | st.integers(0, 999),
    st.none() | st.integers(0, 999),
    st.none() | st.lists(finite, min_size=1, max_size=8).map(tuple),
    st.none() | st.lists(finite, min_size=2, max_size=4).map(tuple),
    st.none() | finite,
)
ticks = st.builds(
    Tick,
    st.integers(0, 999),
    finite,
    finite,
    st.lists(finite, min_size=1, max_size=8).map(lambda values: np.array(values, dtype=np.float32)),
    st.integers(0, 3),
    st.sampled_from(Source),
    st.none() | st.integers(0, 999),
    finite,
    st.lists(answer_records, max_size=3).map(tuple),
)


@given(ticks)
def test_a_tick_survives_being_written(tick: Tick) -> None:
    again = tick_from_json(json.loads(json.dumps(tick_to_json(7, tick))))
    assert np.array_equal(again.observation, tick.observation)
    assert again._replace(observation=tick.observation) == tick


@given(
    st.builds(
        Episode,
        reward=finite,
        final_observation=st.lists(finite, max_size=8).map(tuple),
        uncollected=st.lists(answer_records, max_size=2).map(tuple),
        outcome=st.text(),
    )
)
def test_an_episode_survives_being_written(episode: Episode) -> None:
    later = {**json.loads(json.dumps(episode_to_json(episode))), "a_key_of_a_later_version": 1}
    assert episode_from_json(later) == episode


def fly(folder: Path, episodes: int = 3) -> Evaluation:
    setup = Setup("cartpole", "random", episodes=episodes, clock=ClockName.VIRTUAL, latency="25")
    return evaluate(prepare(setup), folder)


def test_a_run_reads_back_as_it_was_flown(tmp_path: Path) -> None:
    flown = fly(tmp_path / "run")
    run = read_run(tmp_path / "run")
    assert run.episodes == tuple(flight.episode for flight in flown.flights)
    assert run.summary == json.loads(json.dumps(flown.summary))
    assert run.run["asked"]["task"] == "cartpole"
    assert run.run["asked"]["seeds"] == [0, 1, 2]
    assert run.run["versions"]["gymnasium"]
    for read, flight in zip(run.flights(), flown.flights, strict=True):
        assert [tick_to_json(0, tick) for tick in read.ticks] == [tick_to_json(0, tick) for tick in flight.ticks]
        assert len(read.ticks) == read.episode.steps


def test_the_record_has_the_keys_that_the_design_names(tmp_path: Path) -> None:
    fly(tmp_path / "run")
    with gzip.open(tmp_path / "run" / "ticks.jsonl.gz", "rt") as lines:
        tick = json.loads(next(lines))
    expected = ["tick", "time_ms", "lateness_ms", "observation", "action", "source", "observation_age_ticks", "reward"]
    assert set(expected) <= set(tick)
    episode = json.loads((tmp_path / "run" / "episodes.jsonl").read_text().splitlines()[0])
    assert {"seed", "steps", "reward", "outcome"} <= set(episode)
    assert {"fresh_ticks", "late_ticks", "stale_answers", "invalid_answers"} <= set(episode)


@pytest.mark.parametrize("cut", [1, 10, 200, 900])
def test_a_record_cut_anywhere_keeps_every_whole_episode(tmp_path: Path, cut: int) -> None:
    flown = fly(tmp_path / "run")
    for name in ("ticks.jsonl.gz", "episodes.jsonl"):
        path = tmp_path / "run" / name
        path.write_bytes(path.read_bytes()[: -min(cut, path.stat().st_size)])
    (tmp_path / "run" / "summary.json").unlink()
    run = read_run(tmp_path / "run")
    assert run.summary is None
    assert run.episodes == tuple(flight.episode for flight in flown.flights)[: len(run.episodes)]
    for read, flight in zip(run.flights(), flown.flights, strict=False):
        assert len(read.ticks) == flight.episode.steps


def test_a_damaged_record_is_said_so(tmp_path: Path) -> None:
    fly(tmp_path / "run")
    path = tmp_path / "run" / "ticks.jsonl.gz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    with pytest.raises(OntickError, match="not a whole record"):
        list(read_run(tmp_path / "run").flights())
    (tmp_path / "run" / "episodes.jsonl").write_text('{"seed": \n')
    with pytest.raises(OntickError, match="damaged"):
        read_run(tmp_path / "run")


def test_what_is_no_number_is_null_in_the_record(tmp_path: Path) -> None:
    state = np.array([1.0, np.nan, -np.inf])
    tick = Tick(0, 0.0, 0.0, state, 1, Source.FRESH, 0, 1.0)
    assert json.loads(json.dumps(tick_to_json(0, tick), allow_nan=False))["observation"] == [1.0, None, None]
    assert np.isnan(tick_from_json(tick_to_json(0, tick)).observation[1:]).all()


def test_a_killed_run_keeps_every_finished_episode(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "ontick",
        "eval",
        "cartpole",
        "random",
        "--episodes",
        "500",
        "--runs",
        str(tmp_path),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            lines = [line for path in tmp_path.glob("*/episodes.jsonl") for line in path.read_bytes().splitlines()]
            if len(lines) >= 4:
                break
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.wait()
    (folder,) = tmp_path.iterdir()
    run = read_run(folder)
    assert run.summary is None
    assert len(run.episodes) >= 4
    assert [episode.seed for episode in run.episodes] == list(range(len(run.episodes)))
    flights = list(run.flights())
    assert len(flights) == len(run.episodes)
    assert all(len(flight.ticks) == flight.episode.steps for flight in flights)


def test_what_is_no_run_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="is not a run"):
        read_run(tmp_path)


def test_a_folder_that_cannot_be_made_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OntickError, match="--runs"):
        RunWriter(tmp_path / "file" / "run", {})


def test_nothing_is_appended_to_a_record_that_is_there(tmp_path: Path) -> None:
    fly(tmp_path / "run", episodes=1)
    with pytest.raises(OntickError, match="--runs"):
        RunWriter(tmp_path / "run", {})


def test_run_folders_never_collide(tmp_path: Path) -> None:
    first = new_run_folder(tmp_path, "eval", "python:a/b.py:C")
    first.mkdir()
    assert "/" not in first.name
    assert new_run_folder(tmp_path, "eval", "python:a/b.py:C") != first


def test_a_summary_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    writer = RunWriter(tmp_path / "run", {})
    with pytest.raises(TypeError):
        writer.finish({"not JSON": object()})
    assert not (tmp_path / "run" / "summary.json").exists()
    writer.append(Flight(Episode(0, 0, 0.0, "none", 0, 0, 0, 0), ()))
    assert read_run(tmp_path / "run").summary is None
