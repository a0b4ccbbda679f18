"""A task from outside the package: the one that docs/add-a-task.md shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import pytest

from ontick.cli import main
from ontick.contracts import TaskContract
from ontick.errors import OntickError
from ontick.tasks import find_task
from ontick.tasks.base import Task
from ontick.tasks.cartpole import CartPole

ACROBOT = str(Path(__file__).parents[2] / "docs" / "examples" / "acrobot.py")


class TestAcrobot(TaskContract):
    never_beyond_doubt = frozenset({1})

    def make_task(self) -> Task:
        return find_task("acrobot", ACROBOT)


def test_it_is_flown_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--task-module", ACROBOT, "--runs", str(tmp_path), "--json"]
    assert main(["eval", "acrobot", "teacher", "--clock", "virtual", "--episodes", "5", *common]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["summary"]["swung_up"] == 5
    assert result["summary"]["landed"] is None
    assert main(["cliff", "acrobot", "--delays", "0", "400", "800", "--episodes", "4", *common]) == 0
    curve = json.loads(capsys.readouterr().out)
    assert [point["delay_ms"] for point in curve["points"]] == [0, 400, 800] * 2


def test_it_is_probed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["probe", "acrobot", "teacher", "--states", "20", "--task-module", ACROBOT]
    assert main([*arguments, "--runs", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["diagnostics"]["accuracy"] == result["teacher_states"]["accuracy"] == 1


def test_it_gets_a_verdict_in_simulated_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["verdict", "acrobot", "random", "--episodes", "2", "--clock", "virtual", "--latency", "900"]
    assert main([*arguments, "--task-module", ACROBOT, "--runs", str(tmp_path), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["verdict"] in {"flies", "policy", "latency", "both"}
    assert result["budget_ms"] is not None


def test_a_built_in_name_that_is_wrong_lists_the_right_ones() -> None:
    with pytest.raises(OntickError, match=r"did you mean 'cartpole'.*cartpole, lunarlander"):
        find_task("cartpol")


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1", "defines no subclass"),
        ("import nonsense_that_is_not_there", "cannot import"),
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
        ("from ontick.tasks.base import Task\nclass T(Task):\n    pass", "has no name"),
    ],
)
def test_a_broken_module_is_one_clear_line(tmp_path: Path, source: str, complaint: str) -> None:
    module = tmp_path / "mine.py"
    module.write_text(source)
    with pytest.raises(OntickError, match=complaint) as caught:
        find_task("mine", str(module))
    assert "\n" not in str(caught.value)


def test_a_missing_module_is_one_clear_line() -> None:
    with pytest.raises(OntickError, match="no such file"):
        find_task("mine", "nowhere/mine.py")


def test_a_task_that_contradicts_itself_is_refused() -> None:
    class Wrong(CartPole):
        name: ClassVar = "wrong"
        tick_s: ClassVar = 0.0

    with pytest.raises(OntickError, match="tick_s must be"):
        Wrong().check()
