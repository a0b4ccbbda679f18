"""A run's command, typed again, asks for the same: for every verb and option."""

from __future__ import annotations

import json
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ontick.cli import main
from ontick.controllers.catalog import Asking
from ontick.evaluation.episodes import Setup
from ontick.evaluation.probe import ProbeSetup
from ontick.prompts import PromptStyle
from ontick.records import Json
from ontick.report.document import commands
from ontick.report.document.commands import command_of
from ontick.tasks import find_task

VIRTUAL = ["--clock", "virtual"]

RUNS = {
    "eval": ["eval", "cartpole", "none", *VIRTUAL, "--episodes", "2"],
    "eval, all told": [
        *["eval", "cartpole", "teacher", *VIRTUAL, "--episodes", "1", "--seed", "5", "--latency", "lognormal:40,0.25"],
        *["--delay", "10", "--late", "noop", "--in-flight", "3", "--requests-per-minute", "600", "--chunk", "4"],
        *["--predict", "target", "--guess", "none", "--model.threads", "2", "--model.price", "0.05", "0.08"],
    ],
    "eval, a prompt": [
        *[
            "eval",
            "cartpole",
            "none",
            *VIRTUAL,
            "--episodes",
            "1",
            "--reading",
            "generate",
            "--prompt.numbers",
            "letter",
        ],
        *["--prompt.features", "angle", "spin", "--prompt.examples", "4", "--prompt.examples-in", "system"],
        *["--prompt.layout", "compact", "--model.context-tokens", "512", "--model.timeout-s", "3.5"],
    ],
    "verdict": ["verdict", "cartpole", "none", *VIRTUAL, "--episodes", "1", "--late", "noop"],
    "cliff": ["cliff", "cartpole", "none", "--episodes", "1", "--seed", "3"],
    "cliff, own delays": ["cliff", "cartpole", "none", "--episodes", "1", "--delays", "0", "12.5", "--late", "noop"],
    "cliff, ways": [
        "cliff",
        "cartpole",
        "teacher",
        "--episodes",
        "1",
        "--delays",
        "0",
        "--ways",
        "serial",
        "pipelined",
    ],
    "cliff, all ways": [
        "cliff",
        "cartpole",
        "teacher",
        "--episodes",
        "1",
        "--delays",
        "0",
        "--ways",
        "all",
        "--latency",
        "5",
    ],
    "compare": ["compare", "cartpole", "none", "--episodes", "1", "--late", "noop", "--delay", "5"],
    "probe": ["probe", "cartpole", "teacher", "--states", "5", "--seed", "2", "--questions", "few"],
}


def asked_by(arguments: list[str], runs: Path, capsys: pytest.CaptureFixture[str]) -> Json:
    assert main([*arguments, "--runs", str(runs), "--json"]) == 0
    run = Path(json.loads(capsys.readouterr().out)["run"])
    return json.loads((run / "run.json").read_text())["asked"]


@pytest.mark.parametrize("name", RUNS)
def test_the_command_of_a_run_makes_the_same_run(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = asked_by(RUNS[name], tmp_path, capsys)
    command = command_of(asked, find_task("cartpole"))
    assert command is not None
    program, *again = shlex.split(command)
    assert program == "ontick"
    assert asked_by(again, tmp_path, capsys) == asked
    assert len(again) <= len(RUNS[name])


def test_usual_delays_are_left_out_where_the_task_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = asked_by(RUNS["cliff"], tmp_path, capsys)
    assert command_of(asked, find_task("cartpole")) == "ontick cliff cartpole none --episodes 1 --seed 3"
    assert "--delays 0 20 40 60" in (command_of(asked) or "")


def test_defaults_are_left_out_and_words_are_quoted_for_a_shell() -> None:
    asked = {"verb": "eval", **Setup("cartpole", "python:my file.py:It's; rm").as_json()}
    command = command_of(json.loads(json.dumps(asked)))
    assert command == """ontick eval cartpole 'python:my file.py:It'"'"'s; rm'"""
    assert command_of({"verb": "demo", "episodes": 3, "seed": 0, "controllers": []}) == "ontick demo"
    assert command_of({"verb": "demo", "episodes": 5, "seed": 2}) == "ontick demo --episodes 5 --seed 2"


def test_a_verb_that_nobody_types_has_no_command() -> None:
    assert command_of({"verb": "watch", "task": "cartpole", "controller": "none"}) is None
    assert command_of({}) is None


def test_a_pilots_card_says_how_it_is_asked() -> None:
    asking = Asking(PromptStyle(examples=8))
    asked = {"verb": "eval", **Setup("cartpole", "pilot:cartpole", asking=asking).as_json()}
    assert command_of(json.loads(json.dumps(asked))) == "ontick eval cartpole pilot:cartpole"


def test_a_part_of_what_is_asked_has_an_option_or_a_reason_for_none() -> None:
    known: Any = {name for names in commands._OPTIONS.values() for name in names}  # pyright: ignore[reportPrivateUsage]
    known |= {"task", "controller", "asking"}
    assert {field.name for field in fields(Setup)} <= known
    assert {field.name for field in fields(ProbeSetup)} <= known
    assert {field.name for field in fields(Asking)} - {"aware"} <= {name.removeprefix("asking.") for name in known}
