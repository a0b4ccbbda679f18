"""What holds of the ledger: a result counts only while its commands, and those below it, are the same; none is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ontick.records import Json
from ontick.report.reproduction_tables import as_json, markdown, marks_of, notes
from ontick.reproduction.ledger import RESULT, Ledger, Status, machine_in_words
from ontick.reproduction.row import Found, Row


def read(printed: Sequence[Json]) -> Found:
    return Found(f"{printed[0]['x']}|pipes", {"x": printed[0]["x"]}, 3, "0-2")


BASE = Row("base", "what is first", "the post's figure", ("eval cartpole none",), read)
UPON = Row("upon", "what is second", "", ("eval cartpole teacher", "cliff cartpole teacher"), read, after=("base",))
ELSE = Row("else", "what is apart", "", ("eval lunarlander none",), read)
ROWS = (BASE, UPON, ELSE)
HERE: Json = {"versions": {"ontick": "1.0"}, "git_revision": "abc", "machine": {"processor": "P", "cores": 2}}


def finish(ledger: Ledger, row: Row, x: int, provenance: Json = HERE) -> None:
    ledger.begin(row)
    ledger.finish(row, read([{"x": x}]), [{"x": x}], provenance, 60.0)


@pytest.fixture
def done(tmp_path: Path) -> Ledger:
    ledger = Ledger(tmp_path, ROWS)
    for number, row in enumerate(ROWS):
        assert ledger.status(row) is Status.MISSING
        finish(ledger, row, number)
    return ledger


def test_a_row_is_missing_then_begun_then_done(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ROWS)
    assert ledger.begin(BASE) is None
    assert ledger.status(BASE) is Status.BEGUN
    assert ledger.entry(BASE) is None
    finish(ledger, BASE, 5)
    entry = ledger.entry(BASE)
    assert ledger.status(BASE) is Status.DONE
    assert entry is not None
    assert (entry.found.figures, entry.took_s) == ({"x": 5}, 60.0)


def test_another_command_makes_a_row_and_all_that_build_upon_it_be_made_again(done: Ledger) -> None:
    changed = replace(BASE, commands=("eval cartpole none --episodes 3",))
    ledger = Ledger(done.folder, (changed, UPON, ELSE))
    assert [ledger.status(row) for row in (changed, UPON, ELSE)] == [Status.OTHER, Status.OTHER, Status.DONE]
    assert ledger.entry(changed) is None


def test_words_of_the_table_may_change_without_making_anything_again(done: Ledger) -> None:
    said = replace(BASE, part="another word", post="another figure", minutes=99, memory_mb=9)
    assert Ledger(done.folder, (said, UPON, ELSE)).status(said) is Status.DONE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_nothing_made_is_ever_lost(tmp_path_factory: pytest.TempPathFactory, versions: list[int]) -> None:
    folder = tmp_path_factory.mktemp("ledger")
    made = 0
    for number, version in enumerate(versions):
        row = replace(BASE, commands=(f"eval cartpole none --seed {version}",))
        ledger = Ledger(folder, (row,))
        if ledger.status(row) is not Status.DONE:
            finish(ledger, row, number)
            made += 1
    assert len(list(folder.rglob(RESULT))) == made


def test_a_damaged_result_is_no_result(done: Ledger) -> None:
    (done.place(BASE) / RESULT).write_text("{")
    assert done.entry(BASE) is None
    (done.place(BASE) / "asked.json").write_text("[]")
    assert done.status(BASE) is Status.OTHER
    aside = done.begin(BASE)
    assert aside is not None
    assert (aside / RESULT).read_text() == "{"


def test_results_of_another_version_or_machine_are_marked_and_said(done: Ledger) -> None:
    assert notes(ROWS, done) == ["made by Ontick 1.0 at abc on P, 2 cores"]
    done.set_aside(ELSE)
    finish(done, ELSE, 9, {**HERE, "versions": {"ontick": "0.9"}})
    entries = {row.name: entry for row in ROWS if (entry := done.entry(row)) is not None}
    assert marks_of(entries) == {"else": "*"}
    assert notes(ROWS, done) == [
        "made by Ontick 1.0 at abc on P, 2 cores",
        "* made by Ontick 0.9 at abc on P, 2 cores",
        "set aside, made with other settings and in no table: else.1",
    ]
    table = markdown(ROWS, done)
    assert "| `else`* | what is apart |  | 9\\|pipes | 3, 0-2 | 1.0 |" in table
    assert "# upon\nontick eval cartpole teacher\nontick cliff cartpole teacher\n" in table


def test_a_machine_with_gpus_is_another_one() -> None:
    machine: Json = {"processor": "P", "cores": 2}
    assert machine_in_words(machine) == machine_in_words({**machine, "gpus": []}) == "P, 2 cores"
    assert machine_in_words({**machine, "gpus": ["NVIDIA H200", "NVIDIA H200"]}) == "P, 2 cores, NVIDIA H200"


def test_a_row_that_is_not_made_is_in_the_table_as_such(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, ROWS)
    finish(ledger, BASE, 1)
    assert "| `upon` | what is second |  | not made | | |" in markdown(ROWS, ledger)
    assert [made["result"] is None for made in as_json(ROWS, ledger)] == [False, True, True]


def test_a_table_keeps_what_another_folder_made_by_the_same_commands(done: Ledger, tmp_path: Path) -> None:
    before = markdown(ROWS, done)
    other = Ledger(tmp_path / "other", ROWS)
    assert markdown(ROWS, other, before) == before
    finish(other, ELSE, 7, {**HERE, "versions": {"ontick": "1.1"}})
    after = markdown(ROWS, other, before)
    assert "| `base` | what is first | the post's figure | 0\\|pipes | 3, 0-2 | 1.0 |" in after
    assert "| `else`* | what is apart |  | 7\\|pipes | 3, 0-2 | 1.0 |" in after
    assert "- made by Ontick 1.0 at abc on P, 2 cores\n- * made by Ontick 1.1 at abc on P, 2 cores\n" in after
    assert markdown(ROWS, other, after) == after, "and so the next time"


def test_a_table_keeps_nothing_that_other_commands_made(done: Ledger, tmp_path: Path) -> None:
    before = markdown(ROWS, done)
    changed = (replace(BASE, commands=("eval cartpole none --episodes 3",)), UPON, ELSE)
    after = markdown(changed, Ledger(tmp_path / "other", changed), before)
    assert "| `base` | what is first | the post's figure | not made | | |" in after
    assert "| `upon` | what is second |  | not made | | |" in after, "it builds upon the one that changed"
    assert "| `else` | what is apart |  | 2\\|pipes | 3, 0-2 | 1.0 |" in after


def test_every_origin_has_a_mark_of_its_own(tmp_path: Path) -> None:
    rows = [replace(BASE, name=f"row-{number}") for number in range(13)]
    ledger = Ledger(tmp_path / "many", rows)
    for number, row in enumerate(rows):
        finish(ledger, row, number, {**HERE, "versions": {"ontick": f"{max(1, number)}.0"}})
    table = markdown(rows, ledger)
    assert len(set(marks_of(ledger.entries()).values())) == 11
    assert markdown(rows, Ledger(tmp_path / "other", rows), table) == table
