"""What a report says of runs, in its page and in Markdown: all that is recorded."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ontick.cli import main
from ontick.durations import precise_ms
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.records import Json
from ontick.report.document.html_page import MOST_PACKED
from reports import HOSTILE, plainly, report, summary_of


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
    assert "in simulated time with latency 70 ms, late rule hold." in page.words


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


def make_demo(runs: Callable[[str], Path], folder: Path) -> Json:
    """Put a demo's folder together from other runs; of its parts three are there."""
    folder.mkdir(parents=True)
    flown = [["teacher", None], ["teacher", "lognormal:150,0.25"]]
    asked = {"verb": "demo", "episodes": 3, "seed": 0, "flown": dict.fromkeys(("cartpole", "lunarlander"), flown)}
    (folder / "run.json").write_text(json.dumps({"asked": asked}))
    shutil.copytree(runs("cliff"), folder / "cartpole-curve")
    shutil.copytree(runs("verdict"), folder / "lunarlander-teacher-delayed")
    shutil.copytree(runs("verdict"), folder / "cartpole-teacher")
    story = {"verdicts": [summary_of(runs("verdict"))], "curves": [summary_of(runs("cliff"))], "run": str(folder)}
    (folder / "summary.json").write_text(json.dumps(story))
    return story


def test_a_demo_tells_the_whole_story(runs: Callable[[str], Path], tmp_path: Path) -> None:
    make_demo(runs, tmp_path / "demo")
    result, page, markdown = report(tmp_path / "report", tmp_path / "demo")
    why = summary_of(runs("verdict"))["why"]
    for told in (page.words, plainly(markdown)):
        assert "Latency: teacher + lognormal:150,0.25 on lunarlander" in told
        assert f"lunarlander, teacher + lognormal:150,0.25: {why}" in told
        assert "cartpole: the curve in numbers" in told
        assert "teacher + lognormal:150,0.25, real time" in told
        assert "ontick demo" in told
    assert len(page.replays()) == 24
    missing = [note.partition(" is missing")[0] for note in result["notes"]]
    assert missing == ["lunarlander, latency curve", "cartpole, teacher + lognormal:150,0.25", "lunarlander, teacher"]


def test_the_demo_ends_with_its_report(
    runs: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def tell(run: Path, **_: object) -> Json:
        return make_demo(runs, run)

    monkeypatch.setattr("ontick.evaluation.demo.tell", tell)
    assert main(["demo", "--runs", str(tmp_path / "said")]) == 0
    said = capsys.readouterr().out.replace("\n", "")
    page = next((tmp_path / "said").glob("*/report/report.html"))
    assert said.endswith(f"report: {page}")
    assert main(["demo", "--runs", str(tmp_path / "printed"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert set(printed) == {"verdicts", "curves", "run", "report"}
    assert Path(printed["report"]).is_file()


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
    assert all(
        "nonce" in attributes or attributes["type"] == "application/octet-stream" for attributes in page.of("script")
    )
    assert "<script>document" not in Path(result["html"]).read_text()
    assert not re.search(r"(?<!\\)<(?!br>)(?=[a-z/])", re.sub(r"^    .*$", "", markdown, flags=re.MULTILINE))
    assert {answer["text"] for replay in page.replays() for answer in replay["answers"] if "text" in answer} == {
        HOSTILE
    }


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
    monkeypatch.setattr("ontick.report.document.html_page.MOST_PACKED", 20_000)
    result, page, _ = report(tmp_path / "report", runs("verdict"))
    held = page.replays()
    assert 0 < len(held) < 12
    assert {replay["outcome"] == "crash" for replay in held} == {True, False}
    assert result["notes"] == [f"{12 - len(held)} of 12 replays do not fit into the page and are left out"]
    assert page.words.count("its replay did not fit") == 12 - len(held)
