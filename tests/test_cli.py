"""The command line as a user meets it: one JSON object, one line for a mistake, Ctrl-C within a second."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

from ontick.cli import VERBS, main
from ontick.records import INTERRUPTED, Json, read_run

VIRTUAL = ["--clock", "virtual"]


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Json:
    assert main([*arguments, "--json"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    return json.loads(captured.out)


def assert_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    """Run a mistake: nothing on stdout, one line on stderr, exit status 2."""
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert says in captured.err


def test_eval_prints_exactly_the_designs_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    where = ["--runs", str(tmp_path), "--episodes", "2", "--seed", "7"]
    result = run_json(capsys, "eval", "lunarlander", "teacher", *VIRTUAL, *where)
    assert {"task", "controller", "clock", "late", "in_flight", "episodes", "summary", "run"} <= set(result)
    first, second = result["episodes"]
    named = "seed steps reward outcome fresh_ticks late_ticks stale_answers invalid_answers"
    assert set(named.split()) <= set(first)
    assert (first["seed"], second["seed"]) == (7, 8)
    summary = result["summary"]
    named = "n reward_mean reward_ci95 steps_median perfect landed solved timeouts action_counts overrun_ticks"
    assert set(named.split()) <= set(summary)
    assert set(summary["decision_ms"]) == {"p50", "p95", "p99", "max"}
    assert set(summary["tick_lateness_ms"]) == {"p50", "p99", "max"}
    assert read_run(Path(str(result["run"]))).summary == summary


def test_cliff_and_verdict_print_the_designs_keys(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    where = ["--runs", str(tmp_path), "--episodes", "2"]
    curve = run_json(capsys, "cliff", "cartpole", "--delays", "0", "80", *where)
    for point in curve["points"]:
        assert {"late", "delay_ms", "n", "score_mean", "score_ci95", "perfect"} <= set(point)
    assert curve["needs_ms"] == {"hold": 0.0, "noop": 80.0}
    assert (Path(str(curve["run"])) / "curve.png").stat().st_size > 10_000
    verdict = run_json(capsys, "verdict", "cartpole", "none", *VIRTUAL, *where)
    assert {"frozen", "real_time", "budget_ms", "verdict", "why"} <= set(verdict)
    assert verdict["verdict"] == "policy"


def test_cliff_compares_ways_of_asking(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["cliff", "cartpole", "--delays", "0", "80", "--late", "noop", "--episodes", "2", "--runs", str(tmp_path)]
    curve = run_json(capsys, *asked, "--ways", "serial", "chunked+predict")
    assert list(curve["ways"]) == ["serial", "chunked+predict"]
    for way in curve["ways"].values():
        assert {"needs_ms", "in_flight", "chunk", "requests_per_second", "usd_per_hour"} == set(way)
    for point in curve["points"]:
        assert {"way", "in_flight", "chunk", "predict", "requests_per_second", "late", "delay_ms"} <= set(point)
    assert curve["needs_ms"] == {"noop": 80.0}
    assert (Path(str(curve["run"])) / "curve.png").stat().st_size > 10_000
    own = Path(__file__).parents[1] / "docs" / "examples" / "acrobot.py"
    asked = ["cliff", "acrobot", "--task-module", str(own), "--delays", "0", "--episodes", "1", "--runs", str(tmp_path)]
    assert main([*asked, "--ways", "all"]) == 0
    assert "left out: chunked, serial+predict, pipelined+predict" in capsys.readouterr().out


def test_readable_output_names_the_run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["eval", "cartpole", "teacher", "--episodes", "1", *VIRTUAL, "--runs", str(tmp_path)]) == 0
    assert f"run: {tmp_path}" in capsys.readouterr().out.replace("\n", "")


BAD_INPUT: dict[str, tuple[list[str], str]] = {
    "unknown task": (["eval", "cartpol", "teacher"], "did you mean 'cartpole'"),
    "unknown controller": (["eval", "cartpole", "smolm2"], "did you mean 'smollm2'"),
    "malformed latency": (["eval", "cartpole", "teacher", *VIRTUAL, "--latency", "lognormal:1"], "bad latency model"),
    "malformed delay": (["verdict", "cartpole", "teacher", "--delay", "-5"], "bad latency model"),
    "missing trace": (["eval", "cartpole", "teacher", "--delay", "trace:nowhere"], "give a run's folder"),
    "missing GGUF": (["eval", "cartpole", "gguf:nowhere.gguf"], "give a GGUF file"),
    "not a GGUF": (["eval", "cartpole", f"gguf:{__file__}"], "is not a GGUF file"),
    "missing weights": (["eval", "cartpole", "hf:./nowhere"], "give a model's folder or a hub id"),
    "no weights named": (["eval", "cartpole", "hf:"], "write hf:PATH_OR_HUB_ID"),
    "unknown API": (["eval", "cartpole", "api:grok/x"], "did you mean 'groq'"),
    "an API without a model": (["eval", "cartpole", "api:groq"], "api:groq/llama-3.1-8b-instant"),
    "a key in a URL": (["verdict", "cartpole", "api:https://host/v1?key=1#m"], "ONTICK_API_KEY"),
    "an API that is not there": (["eval", "cartpole", "api:http://127.0.0.1:1/v1#m"], "cannot reach"),
    "an API has no scores": (["eval", "cartpole", "api:http://h/v1#m", "--reading", "score"], "--reading generate"),
    "zero episodes": (["eval", "cartpole", "teacher", "--episodes", "0"], "give 1 or more"),
    "unknown way": (["cliff", "cartpole", "--ways", "parallel"], "choose one of: chunked, chunked+predict, pipelined"),
    "negative episodes": (["cliff", "cartpole", "--episodes", "-1"], "give 1 or more"),
    "no number": (["eval", "cartpole", "teacher", "--episodes", "many"], "--episodes"),
    "no such option": (["eval", "cartpole", "teacher", "--bogus"], "--bogus"),
    "no such choice": (["eval", "cartpole", "teacher", "--late", "panic"], "hold"),
    "no controller": (["eval", "cartpole"], "CONTROLLER"),
    "no such verb": (["fly"], "fly"),
    "no verb": ([], "--help"),
    "latency in real time": (["eval", "cartpole", "teacher", "--latency", "30"], "--clock virtual"),
    "none in flight": (["eval", "cartpole", "teacher", "--in-flight", "0"], "give 1 to 64"),
    "a plan of nothing": (["eval", "cartpole", "teacher", "--chunk", "0"], "--chunk 0 cannot be; give 1 to 64"),
    "a plan without an end": (["latency", "cartpole", "teacher", "--chunk", "65"], "give 1 to 64"),
    "a prompt for less than an action": (["prompt", "cartpole", "--chunk", "-1"], "give 1 to 64"),
    "missing task module": (["eval", "mine", "teacher", "--task-module", "nowhere.py"], "no such file"),
    "too many in flight": (["eval", "cartpole", "teacher", "--in-flight", "100000"], "give 1 to 64"),
    "a delay of what is measured": (["eval", "cartpole", "teacher", "--delay", "measured"], "give a number"),
    "no latency": (["eval", "cartpole", "teacher", *VIRTUAL, "--latency", ""], "bad latency model"),
    "endless latency": (["eval", "cartpole", "teacher", *VIRTUAL, "--latency", "1e306"], "bad latency model"),
    "a demo of nothing": (["demo", "--episodes", "0"], "give 1 or more"),
    "delays without an end": (["cliff", "cartpole", "--delays", "0", "inf"], "--delays 0 20 40"),
    "nobody's home": (["eval", "cartpole", "gguf:~nosuchuser/x.gguf"], "home"),
    "no such feature": (["eval", "cartpole", "smollm2", "--prompt.features", "angel"], "'angle'"),
    "too many examples": (["prompt", "cartpole", "--prompt.examples", "9999"], "ask for fewer"),
    "no such quantisation": (["eval", "cartpole", "smollm2", "--model.quantisation", "q3"], "as-is, fastest"),
    "no pilot named": (["eval", "cartpole", "pilot:"], "write pilot:PATH"),
    "no such pilot": (["eval", "cartpole", "pilot:nowhere"], "ontick pilots"),
    "a shipped pilot of another task": (
        ["eval", "lunarlander", "pilot:cartpole"],
        "was trained for cartpole, not for lunarlander",
    ),
    "no pilots": (["pilots", "nowhere"], "ontick train"),
    "pushing nothing": (["push", "nowhere", "org/name"], "ontick pilots"),
    "no language model": (["prompt", "cartpole", "teacher"], "no language model"),
    "nothing to compare": (["compare", "cartpole"], "name the controllers"),
    "nothing to prepare": (["models", "teacher"], "gguf:PATH"),
    "fewer states than none": (["probe", "cartpole", "teacher", "--states", "-1"], "give 0 or more"),
    "probing nobody we know": (["probe", "cartpole", "smolm2"], "did you mean 'smollm2'"),
    "more examples than there are": (["probe", "cartpole", "smollm2", "--prompt.examples", "65"], "ask for fewer"),
    "a negative seed": (["probe", "cartpole", "teacher", "--seed", "-1"], "give 0 or more"),
    "no place for data": (["collect", "cartpole"], "--to"),
    "no such noise": (["collect", "cartpole", "--to", "d", "--noise", "wind:1"], "write none, actions:0.1"),
    "nobody to fly": (["collect", "cartpole", "--to", "d", "--actor", "teachr"], "did you mean 'teacher'"),
    "nobody to label": (["collect", "cartpole", "--to", "d", "--labeller", "me"], "python:FILE.py:NAME"),
    "nothing to collect": (["collect", "cartpole", "--to", "d", "--episodes", "0"], "give --episodes 100"),
    "no dataset": (["data", "nowhere"], "ontick collect"),
    "no such balance": (["data", "nowhere", "--balance", "fair"], "sqrt"),
    "nothing to export": (["export", "nowhere", "--to", "x", "--as", "chat"], "ontick collect"),
    "no such form": (["export", "nowhere", "--to", "x", "--as", "csv"], "minari"),
    "nothing to import": (["import", "nowhere", "cartpole", "--to", "x", "--as", "chat"], "ontick export"),
    "nothing of Minari's": (["import", "nowhere", "cartpole", "--to", "x", "--as", "minari"], "no Minari dataset"),
    "no such questions": (["probe", "cartpole", "random", "--questions", "any"], "give --questions all, few, none"),
    "a base of no language model": (["probe", "cartpole", "teacher", "--base", "smollm2"], "no language model"),
    "a base that is none": (["probe", "cartpole", "smollm2", "--base", "teacher"], "--base teacher"),
    "nothing to teach from": (["train", "cartpole", "mlp", "--to", "p"], "--data"),
    "no dataset there": (["train", "cartpole", "mlp", "--data", "nowhere", "--to", "p"], "ontick collect"),
    "no such network": (["eval", "cartpole", "mlp:nowhere"], "give a pilot's folder"),
    "no pilot to teach": (["dagger", "cartpole", "nowhere", "--to", "d"], "ontick pilots"),
    "nowhere to learn": (["dagger", "cartpole", "nowhere"], "--to"),
    "delays without 0": (["cliff", "cartpole", "--delays", "20", "40"], "--delays 0 20 40"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_a_mistake_is_one_line_that_says_what_to_do(
    case: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments, says = BAD_INPUT[case]
    monkeypatch.chdir(tmp_path)
    assert_one_line(capsys, arguments, says)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "verb", [["eval", "cartpole", "teacher"], ["verdict", "cartpole", "teacher"], ["cliff", "cartpole"], ["demo"]]
)
def test_a_run_folder_that_cannot_be_written_is_a_mistake_too(
    verb: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "taken").write_text("a file")
    assert_one_line(capsys, [*verb, "--episodes", "1", "--runs", str(tmp_path / "taken")], "--runs")


def test_a_controller_that_fails_ends_the_run_with_one_line_and_keeps_what_was_flown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "class Tires:\n"
        "    def __init__(self, task): self.episodes = 0\n"
        "    def reset(self, seed): self.episodes += 1\n"
        "    def decide(self, observation):\n"
        "        from ontick.controllers.base import Decision\n"
        "        return Decision(1 // (4 - self.episodes))\n"
    )
    arguments = [
        "eval",
        "cartpole",
        f"python:{own}:Tires",
        "--episodes",
        "5",
        *VIRTUAL,
        "--runs",
        str(tmp_path / "runs"),
    ]
    assert_one_line(capsys, arguments, "ZeroDivisionError")
    (folder,) = (tmp_path / "runs").iterdir()
    assert len(read_run(folder).episodes) == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return 1", "is no ontick.controllers.base.Decision"),
        ("raise SystemExit(0)", "SystemExit"),
        ("observation.state[0] = 7; return Decision(0)", "read-only"),
        ("return Decision(0, delay='x')", "TypeError"),
        ("time.sleep(0.5); raise RuntimeError('too late')", "too late"),
    ],
)
def test_a_controller_that_breaks_its_contract_is_one_line_in_real_time(
    body: str, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "import time\nfrom ontick.controllers.base import Decision\nclass Own:\n    def __init__(self, task): pass\n"
        f"    def reset(self, seed): pass\n    def decide(self, observation):\n        {body}\n"
    )
    assert_one_line(
        capsys, ["eval", "cartpole", f"python:{own}:Own", "--episodes", "1", "--runs", str(tmp_path / "runs")], says
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("env_id = 'NoSuch-v0'", "NoSuch"),
        ("actions = ('a', 'b', 'c', 'd', 'e')", "names 5 actions"),
        ("features = ()", "names 0 features"),
        ("noop = 9", "9"),
        ("tick_s = 'often'", "tick_s"),
        ("def teacher(self, env, observation): return 1 / 0", "ZeroDivisionError"),
        ("def outcome(self, ending): return 1 / 0", "ZeroDivisionError"),
        ("measures = {'n': lambda episode: True}", "may be called"),
        ("def make(self): return None", "NoneType"),
    ],
)
def test_a_task_that_breaks_its_contract_is_one_line(
    change: str, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        f"from ontick.tasks.lunar_lander import LunarLander\nclass Own(LunarLander):\n    name = 'own'\n    {change}\n"
    )
    arguments = ["eval", "own", "teacher", *VIRTUAL, "--late", "noop", "--task-module", str(own)]
    assert_one_line(capsys, [*arguments, "--episodes", "1", "--runs", str(tmp_path / "runs")], says)


def test_a_path_that_looks_like_markup_is_printed_as_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    runs = tmp_path / "a[bold]b[" / "red]"
    assert main(["eval", "cartpole", "random", "--episodes", "1", *VIRTUAL, "--runs", str(runs)]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("run: ")]
    assert Path(line.removeprefix("run: ")).is_dir()


def test_models_says_what_is_installed_and_what_was_prepared(capsys: pytest.CaptureFixture[str]) -> None:
    prepared = run_json(capsys, "models", "smollm2")["models"][0]["prepared"]
    assert prepared["decision_ms"][prepared["chosen"]] > 0
    found = run_json(capsys, "models")
    (embedded,) = found["models"]
    assert embedded["quantisation"] == "Q4_1"
    assert embedded["prepared"]["chosen"] == prepared["chosen"]
    assert found["backends"]["llama.cpp"]["version"]
    assert main(["models"]) == 0
    assert "135M" in capsys.readouterr().out


def test_prompt_prints_exactly_what_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompt", "lunarlander", "--prompt.numbers", "2"]) == 0
    shown = capsys.readouterr().out
    found = run_json(capsys, "prompt", "lunarlander", "--prompt.numbers", "2")
    assert found["text"] in shown
    assert found["text"].startswith("<|im_start|>system\nYou land a spacecraft")
    assert set(found["choices"]) == {"0", "1", "2", "3"}


def test_compare_prints_one_row_a_controller_in_eighty_columns(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    where = ["--episodes", "1", "--runs", str(tmp_path)]
    result = run_json(capsys, "compare", "cartpole", "none", "random", *where)
    assert [row["controller"] for row in result["controllers"]] == ["none", "random"]
    assert main(["compare", "cartpole", "none", "random", *where]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("run: ")]
    assert all(len(line) <= 80 for line in table)
    assert any(line.startswith("random") and "policy" in line for line in table)


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m ontick eval cartpole random --clock virtual --json --runs {tmp_path} | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def start(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "ontick", *arguments, "--runs", str(tmp_path)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for(tmp_path: Path, pattern: str) -> None:
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize("controller", ["teacher", "smollm2"])
def test_ctrl_c_ends_a_run_within_a_second_and_summarises_it(tmp_path: Path, controller: str) -> None:
    extra = ["--delay", "10000"] if controller == "teacher" else []
    process = start(tmp_path, "eval", "cartpole", controller, "--episodes", "400", "--json", *extra)
    wait_for(tmp_path, "*/episodes.jsonl")
    pressed = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    # A second is the promise; a busy machine is given some more before this calls it broken.
    assert time.monotonic() - pressed < 4
    assert process.returncode == 130
    assert "Traceback" not in err
    result = json.loads(out)
    assert result["interrupted"] is True
    (folder,) = tmp_path.iterdir()
    run = read_run(folder)
    assert run.summary is not None
    assert run.summary["n"] == sum(episode.outcome != INTERRUPTED for episode in run.episodes) >= 1


def test_ctrl_c_ends_a_sweep_with_its_processes(tmp_path: Path) -> None:
    process = start(tmp_path, "cliff", "lunarlander", "--episodes", "400")
    wait_for(tmp_path, "*/run.json")
    time.sleep(2)
    pressed = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert time.monotonic() - pressed < 4
    assert process.returncode == 130
    assert err.count("\n") == 1
    assert "kept" in err
    (folder,) = tmp_path.iterdir()
    assert read_run(folder).summary is not None


def test_version_is_the_packages_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"ontick {metadata.version('ontick')}\n"


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code in (None, 0)
    shown = capsys.readouterr().out
    assert all(verb.__name__.lower() in shown for verb in VERBS)
