"""Rows are made by real commands: only what is missing, on from a kill, and what cannot be made is said beforehand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import students
from ontick import cli
from ontick.alone import alone_in
from ontick.errors import OntickError
from ontick.records import Json
from ontick.report.reproduction_tables import bars_said
from ontick.reproduction import figures, machine
from ontick.reproduction import reproduce as module
from ontick.reproduction.goals import judged
from ontick.reproduction.ledger import Entry, Ledger, Status
from ontick.reproduction.lunar_lander import Size, rows
from ontick.reproduction.recipes import Recipe
from ontick.reproduction.reproduce import Order, reproduce
from ontick.reproduction.row import Found, Row
from rows_here import give_here

GIVES = """
import sys
from pathlib import Path
from ontick.reproduction.reproduce import Order, reproduce
from ontick.reproduction.row import Row
rows = (Row("a", "", "", ("eval cartpole none --episodes 500",), None), Row("b", "", "", ("verdict x",), None))
reproduce(Order(rows, Path(sys.argv[1])))
"""


def test_a_recipe_that_is_ended_takes_its_command_with_it(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", GIVES, str(tmp_path)], stderr=subprocess.DEVNULL) as recipe:
        deadline = time.monotonic() + 60
        while not [*tmp_path.glob("a/runs/*")] and time.monotonic() < deadline:
            time.sleep(0.1)
        told = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True)
        (command,) = [pid for pid, parent in map(str.split, told.stdout.splitlines()) if parent == str(recipe.pid)]
        recipe.send_signal(signal.SIGTERM)
        assert recipe.wait(60) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(command), 0)


def taken(printed: Sequence[Json]) -> Found:
    return Found(", ".join(str(one["x"]) for one in printed))


class Commands:
    """Stands in for the commands, where it is about when they are given; kills or fails at one of them."""

    def __init__(self, stops_at: str = "", stop: type[BaseException] = KeyboardInterrupt) -> None:
        self.given: list[str] = []
        self._stops_at, self._stop = stops_at, stop

    def __call__(self, words: Sequence[str], row: Row) -> Json:
        self.given.append(words[0])
        if words[0] == self._stops_at:
            raise self._stop("it stopped")
        return {"x": words[0]}


A = Row("a", "first", "", ("one", "two"), taken)
B = Row("b", "second", "", ("three", "four"), taken, after=("a",))
C = Row("c", "apart", "", ("five",), taken)
ORDER = (A, B, C)


def with_commands(monkeypatch: pytest.MonkeyPatch, commands: Commands) -> Commands:
    monkeypatch.setattr(module.Commands, "give", commands)
    return commands


def test_what_is_there_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = with_commands(monkeypatch, Commands())
    told: list[str] = []
    assert reproduce(Order(ORDER, tmp_path), told.append).made == ["a", "b", "c"]
    assert commands.given == ["one", "two", "three", "four", "five"]
    assert told[0] == "1 of 3: a (first), about 1 min"
    assert "  ontick two" in told
    again = reproduce(Order(ORDER, tmp_path))
    assert (again.made, again.skipped, len(commands.given)) == ([], ["a", "b", "c"], 5)


def test_two_do_not_make_rows_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_commands(monkeypatch, Commands())
    with alone_in(tmp_path), pytest.raises(OntickError, match="another ontick works in"):
        reproduce(Order(ORDER, tmp_path))
    assert not [*tmp_path.iterdir()]
    reproduce(Order(ORDER, tmp_path))
    with alone_in(tmp_path):
        assert reproduce(Order(ORDER, tmp_path)).skipped == ["a", "b", "c"], "the table can be looked at"


def test_a_row_brings_those_that_it_builds_upon_and_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_commands(monkeypatch, Commands())
    assert reproduce(Order(ORDER, tmp_path, ("b",))).made == ["a", "b"]


@pytest.mark.parametrize("killed_at", ["one", "two", "three", "four", "five"])
def test_a_killed_recipe_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: str) -> None:
    first = with_commands(monkeypatch, Commands(killed_at))
    with pytest.raises(KeyboardInterrupt, match="the same command goes on from here"):
        reproduce(Order(ORDER, tmp_path))
    second = with_commands(monkeypatch, Commands())
    reproduce(Order(ORDER, tmp_path))
    assert first.given + second.given == [*first.given, killed_at, *_after(killed_at)]
    assert [Ledger(tmp_path, ORDER).status(row) for row in ORDER] == [Status.DONE] * 3


def _after(name: str) -> list[str]:
    names = ["one", "two", "three", "four", "five"]
    return names[names.index(name) + 1 :]


def test_a_row_that_fails_stops_only_those_that_build_upon_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_commands(monkeypatch, Commands("two", OntickError))
    done = reproduce(Order(ORDER, tmp_path))
    assert done.made == ["c"]
    assert done.failed == {"a": "it stopped", "b": "it comes after a"}


def test_rows_that_are_named_are_made_once_more_and_the_old_ones_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_commands(monkeypatch, Commands())
    reproduce(Order(ORDER, tmp_path))
    again = with_commands(monkeypatch, Commands())
    done = reproduce(Order(ORDER, tmp_path, ("b",), again=True))
    assert (done.made, done.set_aside, again.given) == (["b"], ["b.1"], ["three", "four"])
    assert (tmp_path / "b.1" / "row.json").exists()


def test_what_this_machine_cannot_make_is_said_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = with_commands(monkeypatch, Commands())
    huge = Row("a", "first", "", ("one",), taken, memory_mb=10**9)
    with pytest.raises(OntickError, match=r"a: needs 1000000.0 GB of memory.*b: comes after a.*it can make: c "):
        reproduce(Order((huge, B, C), tmp_path))
    assert not commands.given
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(machine.MODULES, "train", ("no_such_module",))
    learns = Row("a", "first", "", ("one",), taken, extras=("train",))
    with pytest.raises(OntickError, match=r"needs pip install 'ontick\[train\]'.*it can make no other row"):
        reproduce(Order((learns,), tmp_path))
    assert reproduce(Order((huge, B, C), tmp_path, ("c",))).made == ["c"]


def test_a_container_has_the_memory_that_its_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "/proc/meminfo": ["MemTotal: 9000000 kB", "MemAvailable:    4096000 kB"],
        "/sys/fs/cgroup/memory.max": ["2097152000"],
        "/sys/fs/cgroup/memory.current": ["1048576000"],
    }

    def lines(path: str) -> list[str]:
        return files.get(path, [])

    monkeypatch.setattr(machine, "_lines", lines)
    assert machine.free_memory_mb() == 1000
    files["/sys/fs/cgroup/memory.max"] = ["max"]
    assert machine.free_memory_mb() == 4000
    files.clear()
    assert machine.free_memory_mb() is None
    assert machine.what_is_missing(A, None) is None


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    code = cli.main(words)
    out, err = capsys.readouterr()
    return code, json.loads(out) if code in (0, 1) and "--json" in words else out, err


def test_the_verb_makes_a_real_row_and_its_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("reproduce", "cartpole", "no-agent", "--quick", "--to", str(tmp_path / "r"))
    code, said, err = run(capsys, *words, "--json")
    assert code == 0
    assert (said["made"], said["failed"]) == (["no-agent"], {})
    assert "ontick eval cartpole none --episodes 20 --late noop --clock virtual" in err
    (row,) = [row for row in said["rows"] if row["result"]]
    assert (row["row"], row["result"]["n"], row["result"]["seeds"]) == ("no-agent", 20, "0-19")
    hold, noop = (row["result"]["figures"][rule]["steps_median"] for rule in ("hold", "no-op"))
    assert hold < 20 < noop
    code, out, _ = run(capsys, *words)
    assert "about 16 steps under hold" in " ".join(out.split())
    assert "| `no-agent` |" in (tmp_path / "r" / "results.md").read_text()
    code, out, _ = run(capsys, "reproduce", "cartpole", "--quick", "--to", str(tmp_path / "r"), "--list")
    assert code == 0
    assert out.count("done") == 1


def test_a_wrong_name_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words, message in (
        (("reproduce", "cartpole", "nonsense"), "there is no row nonsense; the rows are: no-agent"),
        (("reproduce", "cartpole", "nonsense", "--list"), "there is no row nonsense"),
        (("reproduce", "pendulum"), "pendulum"),
        (("reproduce", "cartpole", "--again"), "--again makes named rows once more; name them"),
    ):
        code, out, err = run(capsys, *words, *(() if "pendulum" in words else ("--to", str(tmp_path / "r"))))
        assert (code, out) == (2, "")
        assert message in err
        assert len(err.splitlines()) == 1
    assert not (tmp_path / "r").exists()


TINY = Size(
    demonstrations=8,
    noisy=2,
    flights=2,
    more_flights=2,
    steps=2,
    rounds=1,
    round_steps=2,
    round_flights=1,
    tried_steps=2,
    ablation_steps=2,
    whole_story=True,
    states=4,
)


def test_the_whole_chain_is_made_with_a_tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.Commands, "give", give_here)
    recipe = tuple(replace(row, memory_mb=1) for row in rows(f"hf:{students.tiny_model()}", TINY))
    names = ("best", "best-predicted", "questions", "pretrained-states")
    done = reproduce(Order(recipe, tmp_path, names))
    assert not done.failed
    ledger = Ledger(tmp_path, recipe)
    found = {row.name: entry.found for row in recipe if (entry := ledger.entry(row)) is not None}
    assert set(found) == set(done.made) >= set(names)
    assert found["lora"].figures["steps"] == 2
    assert found["dagger"].figures["rounds"][0]["rate"] > 0
    assert found["best"].figures["hold"]["n"] == 2
    assert found["questions"].figures["n"] == 96
    assert set(found["best"].figures) == set(found["best-predicted"].figures) == {"hold", "no-op"}


def test_bars_are_of_the_rows_that_are_made_and_say_whether_they_hold(tmp_path: Path) -> None:
    decision: Json = {"p50": 9.0, "p95": 21.0}
    best: Json = {"n": 50, "landed": 50, "solved": 48, "reward_mean": 260.0, "timeouts": 0, "decision_ms": decision}
    figures_of: dict[str, Json] = {
        "best": {"hold": best | {"landed": 40, "timeouts": 3}},
        "best-predicted": {"hold": best},
        "heuristic": {"heuristic": {"reward_mean": 264.6}},
        "lora": {"hold": {"n": 20, "landed": 18}},
    }
    made = {name: Entry(Row(name, "", "", (), taken), Found("", said), {}, 60.0) for name, said in figures_of.items()}
    assert judged(Recipe.LUNARLANDER, {}, quick=True, whole=False) == {"figures": {}, "bars": {}}
    found = judged(Recipe.LUNARLANDER, made, quick=True, whole=True)
    kept = {name for name, bar in found["bars"].items() if bar["holds"]}
    assert kept == {"landed_share", "timeouts", "lora_alone_landed_share", "minutes"}
    assert set(found["bars"]) - kept == {"solved_share", "reward_above_teacher", "decision_p95_ms"}
    assert found["figures"]["reward_above_teacher"] == pytest.approx(-4.6)
    assert "solved share: 0.96, must be >= 0.98: MISSED" in bars_said(found)


def test_cartpoles_bars_are_of_its_pilot_as_it_flies_best() -> None:
    flown: Json = {"n": 50, "perfect": 50, "decision_ms": {"p50": 19.0, "p95": 24.0}}
    slow = flown | {"perfect": 49, "decision_ms": {"p50": 30.0, "p95": 34.0}}
    figures_of: dict[str, Json] = {
        "lora": {"hold": slow, "no-op": slow, "steps": 300, "train_s": 400.0},
        "lora-predicted": {"hold": flown, "no-op": slow},
    }
    made = {name: Entry(Row(name, "", "", (), taken), Found("", said), {}, 60.0) for name, said in figures_of.items()}
    assert not judged(Recipe.CARTPOLE, {"lora": made["lora"]}, quick=False, whole=False)["figures"]
    found = judged(Recipe.CARTPOLE, made, quick=False, whole=False)
    assert {name: bar["holds"] for name, bar in found["bars"].items()} == {
        "perfect_share_hold": True,
        "perfect_share_noop": False,
        "decision_p50_ms": True,
    }
    assert found["figures"]["training_steps"] == 300


def test_a_figure_says_what_the_flights_were() -> None:
    summary: Json = {
        "n": 20,
        "success": "landed",
        "landed": 19,
        "success_ci95": [0.76, 0.99],
        "solved": 17,
        "timeouts": 1,
        "reward_mean": 223.74,
        "reward_ci95": [180.2, 250.0],
        "steps_median": 300.0,
        "decision_ms": {"p50": 11.23, "p95": 14.0},
        "collapse": {"rut": "always main engine"},
    }
    assert figures.flight_in_words(summary) == (
        "19/20 landed (76%-99%), 17 solved, mean +223.7 (+180 to +250), 1 at the time limit, p50 11.2, p95 14.0 ms, "
        "always main engine"
    )
    assert figures.flight_in_words(summary, short=True) == "19/20 landed, 17 solved, mean +223.7, 1 at the time limit"
    curve: Json = {
        "needs_ms": {"hold": 60.0, "noop": None},
        "success": "perfect",
        "points": [
            {"late": "hold", "delay_ms": 0.0, "perfect": 50, "n": 50},
            {"late": "hold", "delay_ms": 80.0, "perfect": 0, "n": 50},
            {"late": "noop", "delay_ms": 0.0, "perfect": 1, "n": 50},
        ],
    }
    assert figures.curve([curve]).says == "hold: good to 60 ms, none left at 80; no-op: never"
