"""Rows made at once: none before what it builds upon, never more than asked for, real time alone, all of them once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ontick.errors import OntickError
from ontick.reproduction.ledger import Ledger, Status
from ontick.reproduction.reproduce import Order, reproduce
from ontick.reproduction.row import Found, Row
from ontick.reproduction.side_by_side import side_by_side

QUIET, LOUD = "eval cartpole none", "collect cartpole"


@st.composite
def tables(draw: st.DrawFn) -> list[Row]:
    """Return rows, each after some of those before it."""
    rows = list[Row]()
    for number in range(draw(st.integers(1, 8))):
        after = draw(st.sets(st.sampled_from([row.name for row in rows]))) if rows else set[str]()
        command = draw(st.sampled_from([QUIET, LOUD, f"{QUIET} --clock virtual"]))
        rows.append(Row(str(number), "", "", (command,), lambda _: Found(""), after=tuple(sorted(after))))
    return rows


@settings(deadline=None, max_examples=60)
@given(rows=tables(), jobs=st.integers(1, 4))
def test_every_row_is_made_once_in_a_fitting_order(rows: list[Row], jobs: int) -> None:
    lock = threading.Lock()
    running, ended = set[str](), list[str]()
    by_name = {row.name: row for row in rows}

    def make(row: Row) -> None:
        with lock:
            running.add(row.name)
            assert set(row.after) <= set(ended)
            assert len(running) <= jobs
            assert len(running) == 1 or not any(by_name[name].in_real_time for name in running)
        time.sleep(0.001)
        with lock:
            running.remove(row.name)
            ended.append(row.name)

    side_by_side(rows, make, jobs)
    assert sorted(ended) == sorted(by_name)
    if jobs == 1:
        assert ended == [row.name for row in rows]


def test_independent_rows_run_at_the_same_time() -> None:
    meet = threading.Barrier(3, timeout=30)
    rows = [Row(str(number), "", "", (LOUD,), lambda _: Found("")) for number in range(3)]

    def make(_: Row) -> None:
        meet.wait()

    side_by_side(rows, make, 3)


def test_what_stops_one_is_raised_when_the_others_have_ended() -> None:
    ended = list[str]()

    def make(row: Row) -> None:
        if row.name == "0":
            raise KeyboardInterrupt("stop")
        time.sleep(0.05)
        ended.append(row.name)

    rows = [Row(str(number), "", "", (LOUD,), lambda _: Found("")) for number in range(3)]
    with pytest.raises(KeyboardInterrupt, match="stop"):
        side_by_side(rows, make, 2)
    assert ended in (["1"], ["1", "2"])


def test_a_recipe_made_side_by_side_is_the_recipe(tmp_path: Path) -> None:
    data = Row("data", "", "", ("collect cartpole --episodes 0 --box 50 --to data/data",), lambda _: Found("data"))
    flies = [
        Row(name, "", "", (f"eval cartpole {name} --episodes 2 --clock virtual",), lambda _: Found("flown"))
        for name in ("teacher", "none")
    ]
    bad = Row("bad", "", "", ("eval cartpole nobody --clock virtual",), lambda _: Found(""))
    order = Order((data, *flies, bad), tmp_path, jobs=3)
    done = reproduce(order)
    assert sorted(done.made) == ["data", "none", "teacher"]
    assert "bad/progress.txt" in done.failed["bad"]
    assert "nobody" in (tmp_path / "bad" / "progress.txt").read_text()
    ledger = Ledger(tmp_path, order.rows)
    assert [ledger.status(row) for row in (data, *flies)] == [Status.DONE] * 3


INTERRUPTED = """
import sys
from pathlib import Path
from ontick.reproduction.reproduce import Order, reproduce
from ontick.reproduction.row import Found, Row

command = "eval cartpole teacher --episodes 100000 --clock virtual"
rows = tuple(Row(name, "", "", (command, command), lambda _: Found("")) for name in "ab")
try:
    done = reproduce(Order(rows, Path(sys.argv[1]), jobs=2))
except KeyboardInterrupt as stop:
    print(stop)
else:
    print(done)
"""


def test_ctrl_c_stops_all_rows_and_says_how_to_go_on(tmp_path: Path) -> None:
    recipe = [sys.executable, "-c", INTERRUPTED, str(tmp_path)]
    process = subprocess.Popen(recipe, stdout=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 90
    while len(list(tmp_path.glob("[ab]/runs/*/episodes.jsonl"))) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert out in {f"{names} are not finished; the same command goes on from here\n" for names in ("a, b", "b, a")}
    # Neither has begun its second command.
    assert len(list(tmp_path.glob("[ab]/runs/*"))) == 2


def test_no_rows_at_once_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="--jobs 0 makes nothing; give 1 or more"):
        Order((), tmp_path, jobs=0)


def test_memory_is_shared_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ontick.reproduction.reproduce.free_memory_mb", lambda: 1000)
    large = Row("large", "", "", (LOUD,), lambda _: Found(""), memory_mb=600)
    with pytest.raises(OntickError, match=r"needs 0\.6 GB of memory, and 0\.5 GB are free"):
        reproduce(Order((large,), tmp_path, jobs=2))
