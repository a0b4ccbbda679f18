"""What a report says of runs, in its page and in Markdown: all that is recorded, and what is missing."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ontick.cli import main
from ontick.durations import precise_ms
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.records import Json
from ontick.report.html_page import MOST_PACKED
from ontick.report.publish import publish
from recorded_runs import (
    CARTPOLE,
    HOSTILE,
    cut_short,
    make_cliff,
    make_comparison,
    make_eval,
    make_hostile,
    make_verdict,
    make_ways,
)

MAKERS = {
    "eval": make_eval,
    "verdict": make_verdict,
    "cliff": make_cliff,
    "ways": make_ways,
    "compare": make_comparison,
    "hostile": make_hostile,
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder, made = tmp_path_factory.mktemp("runs"), dict[str, Path]()

    def find(name: str) -> Path:
        if name not in made:
            made[name] = MAKERS[name](folder)
        return made[name]

    return find


class Page(HTMLParser):
    """What of a page is an element, and what is read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.scripts: list[str] = []
        self._script = self._style = False
        self.feed(html)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script, self._style = tag == "script", tag == "style"
        if self._script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._script = self._style = False
        self.words += " " if tag in {"td", "th", "dd", "dt", "p", "li", "summary", "h1", "h2", "h3"} else ""

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[-1] += data
        elif not self._style:
            self.words += data

    def of(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.elements if name == tag)

    def replays(self) -> list[Json]:
        kinds = [attributes.get("type") for attributes in self.of("script")]
        packed = [text for kind, text in zip(kinds, self.scripts, strict=True) if kind == "application/octet-stream"]
        return [json.loads(gzip.decompress(base64.b64decode(text))) for text in packed]


def report(to: Path, *folders: Path) -> tuple[Json, Page, str]:
    result = publish(folders, to)
    return result, Page(Path(result["html"]).read_text()), Path(result["markdown"]).read_text()


def summary_of(run: Path) -> Json:
    return json.loads((run / "summary.json").read_text())


def numbers_of(summary: Json) -> list[str]:
    """Return every number of a summary as a reader finds it written."""
    decisions, low_high = summary["decision_ms"], summary["success_ci95"]
    return [
        f"{summary[summary['success']]}/{summary['n']}",
        f"{low_high[0]:.0%} to {low_high[1]:.0%}",
        f"{summary['reward_mean']:.1f}",
        "{:.1f} to {:.1f}".format(*summary["reward_ci95"]),
        f"{summary['steps_median']:.0f}",
        f"{summary['fresh_ticks']} of {summary['fresh_ticks'] + summary['planned_ticks'] + summary['late_ticks']}",
        f"{summary['stale_answers']}, {summary['invalid_answers']}",
        ", ".join(precise_ms(decisions[name]) for name in ("p50", "p95", "p99")),
        *map(str, summary["action_counts"].values()),
        f"{summary['collapse']['entropy_bits']:.2f} bits",
        f"{summary['collapse']['offline_accuracy']:.0%}",
        *(f"failed: {kind} {len(seeds)}" for kind, seeds in summary["failures_left"].items()),
        *([] if summary["watch_first"] is None else [f"seed {summary['watch_first']}"]),
    ]


def plainly(markdown: str) -> str:
    """Return the words of Markdown, its cells apart by a blank."""
    return " ".join(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown.replace("|", " ").replace("**", "")).split())


def test_every_number_of_an_evaluation_is_told(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = runs("eval")
    result, page, markdown = report(tmp_path / "report", run)
    summary = summary_of(run)
    assert result["notes"] == []
    for number in numbers_of(summary):
        assert number in page.words
        assert number in plainly(markdown)
    for kind in summary["failures_left"]:
        assert f"failed: {kind}" in page.words
    assert "in simulated time" in page.words


def test_a_verdict_comes_first_and_tells_both_of_its_runs(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = runs("verdict")
    _, page, markdown = report(tmp_path / "report", run)
    judged = summary_of(run)
    assert judged["verdict"] == "latency"
    for told in (page.words, plainly(markdown)):
        assert judged["why"] in told
        assert told.index("latency") < told.index(judged["why"]) < told.rindex("Timing and behaviour")
        assert judged["remedy"]["options"] in told
        for part in ("real_time", "frozen"):
            for number in numbers_of(judged[part]):
                assert number in told
    classes = {attributes.get("class") for attributes in page.of("p")}
    assert "verdict is-latency" in classes
    assert f"{judged['budget_ms']:g} ms" in page.words


def test_every_episode_can_be_watched_failures_first(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = runs("verdict")
    _, page, _ = report(tmp_path / "report", run)
    replays = page.replays()
    judged = summary_of(run)
    assert sorted(replay["seed"] for replay in replays) == sorted([*range(6), *range(6)])
    assert replays[0]["seed"] == judged["real_time"]["watch_first"]
    assert replays[0]["failure"] == next(iter(judged["real_time"]["failures_left"]))
    names = [attributes["id"] for attributes in page.of("script") if "id" in attributes]
    assert [a["data-replay"] for a in page.of("details") if "data-replay" in a] == names
    assert len(set(names)) == len(names)


def test_a_curve_tells_what_is_allowed(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = runs("cliff")
    result, page, markdown = report(tmp_path / "report", run)
    curve = summary_of(run)
    for told in (page.words, plainly(markdown)):
        for rule, needs in curve["needs_ms"].items():
            assert f"{needs:g} ms late under {rule}" in told
        for point in curve["points"]:
            assert f"{point['perfect']}/{point['n']} {point['score_mean']:.1f}" in told
    assert [Path(plot).name for plot in result["plots"]] == ["curve.png", "curve.svg"]
    assert result["notes"] == []


def test_ways_of_asking_are_told_one_by_one(runs: Callable[[str], Path], tmp_path: Path) -> None:
    _, page, markdown = report(tmp_path / "report", runs("ways"))
    for told in (page.words, plainly(markdown)):
        assert "what each way of asking allows" in told
        assert "asked serial" in told
        assert "asked chunked" in told


def test_a_comparison_tells_every_controller(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = runs("compare")
    _, page, markdown = report(tmp_path / "report", run)
    for row in summary_of(run)["controllers"]:
        for told in (page.words, plainly(markdown)):
            assert f"{row['controller']}: {row['verdict']['hold']} (hold)." in told
    assert len(page.replays()) == 8
    assert "ontick compare cartpole none random --episodes 2 --late hold" in page.words


def test_a_probe_tells_its_answers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "cartpole", "random", "--states", "5", "--runs", str(tmp_path), "--json"]) == 0
    probe = json.loads(capsys.readouterr().out)
    _, page, markdown = report(tmp_path / "report", Path(probe["run"]))
    for told in (page.words, plainly(markdown)):
        for state in probe["diagnostics"]["states"]:
            assert state["situation"] in told
        assert f"Right in {probe['diagnostics']['right']} of {probe['diagnostics']['n']} diagnostic states." in told


def test_several_runs_stand_side_by_side(runs: Callable[[str], Path], tmp_path: Path) -> None:
    first, second = runs("eval"), runs("verdict")
    result, page, markdown = report(tmp_path / "report", first, second)
    assert result["runs"] == [str(first), str(second)]
    for told in (page.words, plainly(markdown)):
        assert told.index("2 runs side by side") < told.index("run 2, real time") < told.rindex("1. cartpole flown by")
        for run in (summary_of(first), summary_of(second)["real_time"], summary_of(second)["frozen"]):
            assert f"{run[run['success']]}/{run['n']} {run['success']} {run['reward_mean']:.1f}" in told
    assert len({Path(plot).stem for plot in result["plots"]}) == len(result["plots"]) / 2


def test_machine_versions_and_command_are_told(runs: Callable[[str], Path], tmp_path: Path) -> None:
    run = runs("eval")
    _, page, markdown = report(tmp_path / "report", run)
    made = json.loads((run / "run.json").read_text())
    for told in (page.words, plainly(markdown)):
        assert "ontick eval cartpole teacher --episodes 4 --clock virtual --latency 70" in told
        assert made["machine"]["processor"] in told
        for name, version in made["versions"].items():
            assert version is None or f"{name} {version}" in told


def test_text_of_someone_elses_is_shown_and_means_nothing(runs: Callable[[str], Path], tmp_path: Path) -> None:
    result, page, markdown = report(tmp_path / "report", runs("hostile"))
    shown = " ".join(HOSTILE.split())
    assert page.words.count(shown) > 5
    assert not list(page.of("img"))
    assert all("nonce" in attributes or attributes["type"] == "application/octet-stream" for attributes in page.of("script"))
    assert "<script>document" not in Path(result["html"]).read_text()
    assert not re.search(r"(?<!\\)<(?!br>)(?=[a-z/])", re.sub(r"^    .*$", "", markdown, flags=re.MULTILINE))
    assert {answer["text"] for replay in page.replays() for answer in replay["answers"] if "text" in answer} == {HOSTILE}


def test_the_page_forbids_every_network(runs: Callable[[str], Path], tmp_path: Path) -> None:
    result, page, _ = report(tmp_path / "report", runs("eval"))
    policy = next(a["content"] for a in page.of("meta") if a.get("http-equiv") == "Content-Security-Policy") or ""
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "unsafe-inline" not in policy.partition("style-src")[0]
    nonces = {attributes["nonce"] for attributes in page.of("script") if "nonce" in attributes}
    assert policy.count(f"'nonce-{nonces.pop()}'") == 1
    assert not nonces
    links = [a.get("src") or a.get("href") or a.get("xlink:href") or "" for _, a in page.elements]
    assert all(link.startswith(("#", "data:")) for link in links if link)
    assert "@import" not in Path(result["html"]).read_text()


def test_the_same_runs_give_the_same_report(runs: Callable[[str], Path], tmp_path: Path) -> None:
    made = [Path(report(tmp_path / name, runs("verdict"))[0]["html"]) for name in ("one", "two")]
    assert made[0].read_bytes() == made[1].read_bytes()
    for file in (made[0].parent / "plots").iterdir():
        assert file.read_bytes() == (made[1].parent / "plots" / file.name).read_bytes()


def test_inlined_plots_follow_the_theme_and_keep_their_names_apart(runs: Callable[[str], Path], tmp_path: Path) -> None:
    result, page, _ = report(tmp_path / "report", runs("verdict"))
    html = Path(result["html"]).read_text()
    drawn = re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL)
    assert len(drawn) == len([plot for plot in result["plots"] if plot.endswith(".svg")]) == 5
    for svg in drawn:
        assert 'role="img"' in svg
        assert re.search(r'aria-label="(real time|time frozen): ', svg)
        assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#10181f"}
        assert "<style" not in svg
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(names)) == len(names)
    referred = re.findall(r'(?:url\(|href=")#([^)"]+)', html)
    assert set(referred) <= set(names)


def test_fifty_landings_fit_into_a_small_page(tmp_path: Path) -> None:
    setup = Setup("lunarlander", "teacher", episodes=50, clock=ClockName.VIRTUAL, latency="lognormal:40,0.25")
    run = evaluate(prepare(setup), tmp_path / "run").run
    result, page, _ = report(tmp_path / "report", run)
    assert len(page.replays()) == 50
    assert Path(result["html"]).stat().st_size < 2_000_000
    assert result["notes"] == []


def test_what_does_not_fit_is_left_out_and_named(
    runs: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_PACKED <= 4_500_000
    monkeypatch.setattr("ontick.report.html_page.MOST_PACKED", 20_000)
    result, page, _ = report(tmp_path / "report", runs("verdict"))
    held = page.replays()
    assert 0 < len(held) < 12
    assert {replay["outcome"] == "crash" for replay in held} == {True, False}
    assert result["notes"] == [f"{12 - len(held)} of 12 replays do not fit into the page and are left out"]
    assert page.words.count("its replay did not fit") == 12 - len(held)


def test_what_is_whole_of_a_killed_run_is_shown_and_the_rest_named(
    runs: Callable[[str], Path], tmp_path: Path
) -> None:
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
    for _ in range(2):
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
