from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from ontick.errors import OntickError
from ontick.records import INTERRUPTED, Episode, Flight, RunWriter, read_run, tick_to_json
from ontick.replays.recorded import read_recorded
from recorded_flights import fly


def as_told(flight: Flight) -> tuple[Episode, list[str]]:
    """NumPy's arrays have no plain equality."""
    return flight.episode, [json.dumps(tick_to_json(0, tick)) for tick in flight.ticks]


def test_one_episode_is_read_as_all_are(tmp_path: Path) -> None:
    flown = fly(tmp_path / "run", "lunarlander", "random", episodes=4)
    recorded = read_recorded(tmp_path / "run")
    whole = [as_told(flight) for flight in read_run(tmp_path / "run").flights()]
    assert whole == [as_told(flight) for flight in flown.flights]
    assert [as_told(recorded.flight(number)) for number in range(4)] == whole
    assert [(number, as_told(flight)) for number, flight in recorded.flights()] == list(enumerate(whole))
    assert [(number, as_told(flight)) for number, flight in recorded.flights({1, 3})] == [(1, whole[1]), (3, whole[3])]
    assert recorded.notes == ()
    assert recorded.replayable == 4
    assert recorded.summary == read_run(tmp_path / "run").summary


def test_episodes_of_one_seed_are_told_apart_by_their_number(tmp_path: Path) -> None:
    flights = fly(tmp_path / "other", "cartpole", "random", episodes=3).flights
    writer = RunWriter(tmp_path / "run", {"verb": "eval", "task": "cartpole"})
    writer.append(flights[0], flights[1])  # written together
    writer.append(flights[0])
    writer.append(flights[2])
    recorded = read_recorded(tmp_path / "run")
    order = [flights[0], flights[1], flights[0], flights[2]]
    assert [as_told(recorded.flight(n)) for n in range(4)] == [as_told(flight) for flight in order]


def test_only_the_ticks_of_the_episode_asked_for_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fly(tmp_path / "run", "cartpole", "random", episodes=5)
    recorded = read_recorded(tmp_path / "run")
    parsed: list[str | bytes] = []
    loads = json.loads

    def count(line: str | bytes) -> object:
        parsed.append(line)
        return loads(line)

    monkeypatch.setattr(json, "loads", count)
    flight = recorded.flight(3)
    assert len(parsed) == len(flight.ticks) == recorded.episodes[3].steps


@pytest.mark.parametrize("cut", [1, 10, 200, 900, 2500])
@pytest.mark.parametrize("name", ["ticks.jsonl.gz", "episodes.jsonl"])
def test_of_a_run_cut_anywhere_the_whole_is_shown_and_the_rest_named(tmp_path: Path, name: str, cut: int) -> None:
    flown = fly(tmp_path / "run", "cartpole", "random", episodes=6)
    (tmp_path / "run" / "summary.json").unlink()
    path = tmp_path / "run" / name
    path.write_bytes(path.read_bytes()[: -min(cut, path.stat().st_size)])
    recorded = read_recorded(tmp_path / "run")
    whole = recorded.replayable
    assert whole < 6
    assert len(recorded.episodes) <= 6
    for number in range(whole):
        assert as_told(recorded.flight(number)) == as_told(flown.flights[number])
    lost = [flight.episode.seed for flight in flown.flights[whole:]]
    told = " / ".join(recorded.notes)
    assert "did not come to its end" in told
    assert all(str(seed) in told for seed in lost)
    assert all("\n" not in note for note in recorded.notes)
    for number in range(whole, len(recorded.episodes)):
        with pytest.raises(OntickError, match="missing or cut short"):
            recorded.flight(number)


def test_a_run_cut_between_two_writes_says_which_seeds_are_not_there(tmp_path: Path) -> None:
    fly(tmp_path / "run", "cartpole", "random", episodes=5)
    (tmp_path / "run" / "summary.json").unlink()
    path = tmp_path / "run" / "episodes.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    recorded = read_recorded(tmp_path / "run")
    assert recorded.replayable == 3
    assert "3 of 5 episodes are recorded; not seeds 3, 4" in recorded.notes


def test_a_damaged_member_hides_its_own_episode_and_those_behind_it(tmp_path: Path) -> None:
    flown = fly(tmp_path / "run", "cartpole", "random", episodes=4)
    path = tmp_path / "run" / "ticks.jsonl.gz"
    data = bytearray(path.read_bytes())
    starts = [place for place in range(len(data)) if data.startswith(b"\x1f\x8b\x08", place)]
    assert len(starts) == 4
    data[(starts[2] + starts[3]) // 2] ^= 0xFF
    path.write_bytes(bytes(data))
    recorded = read_recorded(tmp_path / "run")
    assert recorded.replayable == 2
    assert [as_told(flight) for _, flight in recorded.flights()] == [as_told(flight) for flight in flown.flights[:2]]
    assert any("ticks.jsonl.gz is damaged" in note for note in recorded.notes)
    assert any("ticks of seeds 2, 3" in note for note in recorded.notes)
    with pytest.raises(OntickError, match=r"seed 2 .* damaged"):
        recorded.flight(2)


def test_a_line_of_ticks_that_is_no_tick_is_said_so(tmp_path: Path) -> None:
    flown = fly(tmp_path / "run", "cartpole", "random", episodes=2)
    path = tmp_path / "run" / "ticks.jsonl.gz"
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    for damage in (b'{"seed": 0}\n', b"not JSON\n", lines[4]):
        path.write_bytes(gzip.compress(b"".join([*lines[:3], damage, *lines[4:]])))
        recorded = read_recorded(tmp_path / "run")
        with pytest.raises(OntickError, match="seed 0"):
            recorded.flight(0)
        assert as_told(recorded.flight(1)) == as_told(flown.flights[1])
        assert [number for number, _ in recorded.flights()] == [1]


def test_a_damaged_line_of_episodes_ends_what_is_known(tmp_path: Path) -> None:
    flown = fly(tmp_path / "run", "cartpole", "random", episodes=4)
    path = tmp_path / "run" / "episodes.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    for damage in (b'{"seed": \n', b"[]\n", b'{"seed": 2}\n', b"\xff\xfe\n"):
        path.write_bytes(b"".join([*lines[:2], damage, lines[3]]))
        recorded = read_recorded(tmp_path / "run")
        assert [as_told(flight) for _, flight in recorded.flights()] == [as_told(f) for f in flown.flights[:2]]
        assert any("line 3 of episodes.jsonl is damaged" in note for note in recorded.notes)


@pytest.mark.parametrize("summary", [b"{", b"[1, 2]", b"\xff"])
def test_a_damaged_summary_hides_nothing_else(tmp_path: Path, summary: bytes) -> None:
    fly(tmp_path / "run", "cartpole", "random", episodes=2)
    (tmp_path / "run" / "summary.json").write_bytes(summary)
    recorded = read_recorded(tmp_path / "run")
    assert recorded.summary is None
    assert recorded.replayable == 2
    assert any("summary.json is damaged" in note for note in recorded.notes)


def test_what_is_no_run_is_said_so_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="is not a run"):
        read_recorded(tmp_path)
    with pytest.raises(OntickError, match="is not a run"):
        read_recorded(tmp_path / "nowhere")
    for text in ("{", "[]", '{"asked": 3}', '{"versions": {}}'):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(OntickError, match="damaged"):
            read_recorded(tmp_path)


def test_an_interrupted_run_plays_its_unfinished_episode_too(tmp_path: Path) -> None:
    flown = fly(tmp_path / "other", "cartpole", "teacher", episodes=2).flights
    half = Flight(Episode(1, 40, 40.0, INTERRUPTED, 40, 0, 0, 0), flown[1].ticks[:40])
    writer = RunWriter(tmp_path / "run", {"verb": "eval", "task": "cartpole", "seeds": [0, 1, 2]})
    writer.append(flown[0])
    writer.append(half)
    writer.finish({"interrupted": True})
    recorded = read_recorded(tmp_path / "run")
    assert recorded.notes == ("the run was stopped before its end", "2 of 3 episodes are recorded; not seed 2")
    assert as_told(recorded.flight(1)) == as_told(half)


def test_a_number_that_there_is_not_is_said_so(tmp_path: Path) -> None:
    fly(tmp_path / "run", "cartpole", "random", episodes=2)
    for number in (-1, 2):
        with pytest.raises(OntickError, match="holds 2 episodes"):
            read_recorded(tmp_path / "run").flight(number)
