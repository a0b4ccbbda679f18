"""A report of what is cut short or damaged shows what is whole; one that cannot be made leaves nothing."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ontick.cli import main
from ontick.evaluation.episodes import evaluate, prepare
from ontick.report.document.publish import publish
from reports import CARTPOLE, Page, cut_short, plainly, report, summary_of


def test_what_is_whole_of_a_killed_run_is_shown_and_the_rest_named(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = cut_short(runs("eval"), tmp_path / "killed", 2)
    result, page, markdown = report(tmp_path / "report", run)
    assert any("did not come to its end" in note for note in result["notes"])
    assert any("2 of 4 episodes are recorded; not seeds 2, 3" in note for note in result["notes"])
    for told in (page.words, plainly(markdown)):
        assert "in 0 of 2 episodes" in told
        for note in result["notes"]:
            assert note in told
    assert {replay["seed"] for replay in page.replays()} == {0, 1}


def test_a_verdict_that_was_not_reached_still_shows_its_flights(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = tmp_path / "judged"
    shutil.copytree(runs("verdict"), run)
    (run / "summary.json").unlink()
    shutil.rmtree(run / "real_time")
    result, page, _ = report(tmp_path / "report", run)
    assert "There is no verdict: the run was cut short." in page.words
    assert "real time is missing" in " ".join(result["notes"])
    assert len(page.replays()) == 6


def test_points_of_a_killed_curve_are_shown(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = cut_short(runs("cliff"), tmp_path / "killed", 17)
    result, page, _ = report(tmp_path / "report", run)
    whole = summary_of(runs("cliff"))["points"]
    flown = [json.loads(line) for line in (run / "episodes.jsonl").read_bytes().splitlines()[:16]]
    shown = {(episode["late"], episode["delay_ms"]) for episode in flown}
    both = [point for point in whole if {("hold", point["delay_ms"]), ("noop", point["delay_ms"])} <= shown]
    assert 0 < len(both) < len(whole)
    for point in both:
        assert f"{point['perfect']}/{point['n']} {point['score_mean']:.1f}" in page.words
    assert "Which latency is allowed is not known: the curve was cut short." in page.words
    assert len(result["notes"]) >= 1


def test_a_damaged_part_is_named_and_the_others_are_shown(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = tmp_path / "judged"
    shutil.copytree(runs("verdict"), run)
    (run / "frozen" / "run.json").write_text("{")
    (run / "real_time" / "ticks.jsonl.gz").write_bytes(b"no gzip")
    result, page, _ = report(tmp_path / "report", run)
    assert any("frozen" in note and "damaged" in note for note in result["notes"])
    assert any("ticks.jsonl.gz is damaged" in note for note in result["notes"])
    assert summary_of(run)["why"] in page.words
    assert page.replays() == []


def test_a_task_that_is_not_known_is_not_imported_from_the_record(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = tmp_path / "own.py"
    own.write_text((root / "docs" / "examples" / "acrobot.py").read_text())
    asked = ["--task-module", str(own), "--clock", "virtual", "--episodes", "1", "--runs", str(tmp_path)]
    assert main(["eval", "acrobot", "random", *asked, "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    own.write_text("raise SystemExit('imported')")
    assert main(["report", run]) == 0
    assert "show it with --task-module FILE" in capsys.readouterr().out
    page = Page((Path(run) / "report" / "report.html").read_text())
    assert len(page.replays()) == 1
    module = str(root / "docs" / "examples" / "acrobot.py")
    assert main(["report", run, "--task-module", module, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == []


def test_a_controllers_name_does_not_lead_out_of_the_run(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = tmp_path / "demo"
    run.mkdir()
    shutil.copytree(runs("eval"), tmp_path / "secret")
    asked = {"verb": "demo", "episodes": 1, "seed": 0, "controllers": [["x/../../../secret", None]]}
    (run / "run.json").write_text(json.dumps({"asked": asked}))
    (run / "cartpole-x").mkdir()
    _, page, _ = report(tmp_path / "report", run)
    assert page.replays() == []


def test_the_verb_prints_one_object_and_replaces_its_own_report(
    runs: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs("eval"), run)
    assert main(["report", str(run)]) == 0
    assert f"page: {run / 'report' / 'report.html'}" in capsys.readouterr().out.replace("\n", "")
    assert main(["report", str(run), "--json"]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1
    result = json.loads(printed)
    assert list(result) == ["html", "markdown", "plots", "runs", "notes"]
    assert result["html"] == str(run / "report" / "report.html")
    assert result["runs"] == [str(run)]
    assert all(Path(plot).stat().st_size > 1000 for plot in result["plots"])
    assert {file.name for file in run.iterdir()} == {
        *("run.json", "episodes.jsonl", "ticks.jsonl.gz", "summary.json", "report")
    }
    assert main(["report", str(run), str(run), "--runs", str(tmp_path / "several")]) == 0
    assert "page: " in capsys.readouterr().out
    assert len(list((tmp_path / "several").glob("*-report/report.html"))) == 1


def test_mistakes_are_told_in_a_line_and_leave_nothing(
    runs: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(runs("eval"), run)
    other.mkdir()
    (other / "mine.txt").write_text("mine")
    damaged = tmp_path / "damaged"
    shutil.copytree(run, damaged)
    (damaged / "run.json").write_text("{")
    strange = tmp_path / "strange"
    shutil.copytree(run, strange)
    (strange / "summary.json").write_text('{"n": 4}')
    mistakes = (
        (["report"], "name folders of runs"),
        (["report", str(tmp_path / "nowhere")], "is not a run"),
        (["report", str(other)], "is not a run"),
        (["report", str(damaged)], "is damaged"),
        (["report", str(strange)], "restore it from a copy"),
        (["report", str(run), "--to", str(other)], "holds something else than a report"),
        (["report", str(run), "--to", str(other / "mine.txt")], "is a file"),
        (["report", str(run), "--to", str(other / "mine.txt" / "x")], "cannot write"),
        (["report", str(run), "--to", "/proc/nowhere/report"], "cannot write"),
        (["report", str(run), str(tmp_path / "nowhere"), "--to", str(tmp_path / "new")], "is not a run"),
    )
    before = sorted(map(str, tmp_path.rglob("*")))
    for arguments, says in mistakes:
        assert main(arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert len(captured.err.splitlines()) == 1
        assert says in captured.err
    assert sorted(map(str, tmp_path.rglob("*"))) == before


def test_a_report_that_breaks_off_leaves_the_older_one(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, _, _ = report(tmp_path / "report", runs("eval"))
    before = Path(result["html"]).read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(Exception, match="No space left"):
        publish([runs("eval")], tmp_path / "report")
    assert Path(result["html"]).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["report"]


def test_no_secret_of_the_environment_is_told(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONTICK_API_KEY", "sk-not-to-be-told")
    evaluated = evaluate(prepare(replace(CARTPOLE, episodes=1)), tmp_path / "run").run
    result, _, markdown = report(tmp_path / "report", evaluated)
    assert "sk-not-to-be-told" not in markdown + Path(result["html"]).read_text()
