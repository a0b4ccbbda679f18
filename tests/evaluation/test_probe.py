from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from ontick.cli import main
from ontick.controllers.catalog import Asking
from ontick.errors import OntickError
from ontick.evaluation.probe import ANSWERS, ProbeSetup, probe
from ontick.evaluation.questions import FEW_QUESTIONS
from ontick.models.base import ModelOptions, Reading
from ontick.prompts import PromptStyle
from ontick.records import Json, read_run
from ontick.report.probe_tables import probe_parts
from ontick.tasks import find_task

AS_SHIPPED = Asking(model=ModelOptions(quantisation="as-is"))
"""The fastest quantisation is another one on another machine, and has other answers."""

TASKS = ("cartpole", "lunarlander")

OWN_CONTROLLERS = """
from ontick.controllers.base import Decision
class Stuck:
    def __init__(self, task): pass
    def reset(self, seed): pass
    def decide(self, observation): return Decision(1)
class Garbled(Stuck):
    def decide(self, observation): return Decision(None, valid=False, text="[bold]I think left")
class Cheat(Stuck):
    def decide(self, observation): observation.state[0] = 1; return Decision(0)
"""


@pytest.fixture
def own(tmp_path: Path) -> str:
    path = tmp_path / "own.py"
    path.write_text(OWN_CONTROLLERS)
    return f"python:{path}"


def text(result: Json, width: int = 100) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        for part in probe_parts(result):
            console.print(part)
    return captured.get()


def rows_sum_to_the_wanted(part: Json, actions: list[str]) -> bool:
    assert list(part["confusion"]) == actions
    assert all(list(row) == [*actions, "invalid"] for row in part["confusion"].values())
    right = sum(part["confusion"][name][name] for name in actions)
    return right == part["right"] and sum(sum(row.values()) for row in part["confusion"].values()) == part["n"]


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("seed", [0, 50])
def test_the_teacher_is_right_everywhere_and_in_no_rut(task: str, seed: int, tmp_path: Path) -> None:
    found = probe(ProbeSetup(task, "teacher", states=150, seed=seed), tmp_path / "run")
    for part in (found["diagnostics"], found["teacher_states"]):
        assert part["accuracy"] == part["balanced_accuracy"] == 1
        assert rows_sum_to_the_wanted(part, found["actions"])
    assert found["teacher_states"]["n"] == 150
    assert found["rut"] is found["questions"] is None
    assert all(state["correct"] and state["p_right"] is None for state in found["diagnostics"]["states"])


@pytest.mark.parametrize("task", TASKS)
def test_a_stuck_policy_is_named_by_a_hundred_states(task: str, own: str, tmp_path: Path) -> None:
    found = probe(ProbeSetup(task, f"{own}:Stuck"), tmp_path / "run")
    name = found["actions"][1]
    assert found["rut"] == f"always {name}"
    assert found["diagnostics"]["entropy_bits"] == 0
    assert {n: share for n, share in found["diagnostics"]["recall"].items() if share} == {name: 1}
    assert f"in a rut: always {name}" in text(found)


@pytest.mark.parametrize("task", TASKS)
def test_chance_is_in_no_rut_whatever_the_seed(task: str, tmp_path: Path) -> None:
    for seed in range(20):
        found = probe(ProbeSetup(task, "random", seed=seed), tmp_path / f"{seed}")
        assert found["rut"] is None
        assert rows_sum_to_the_wanted(found["teacher_states"], found["actions"])


@pytest.mark.parametrize("controller", ["none", "Garbled"])
def test_answers_that_name_no_action_have_a_column_of_their_own(controller: str, own: str, tmp_path: Path) -> None:
    found = probe(ProbeSetup("cartpole", f"{own}:Garbled" if controller == "Garbled" else controller), tmp_path / "run")
    for part in (found["diagnostics"], found["teacher_states"]):
        assert sum(row["invalid"] for row in part["confusion"].values()) == part["n"]
        assert part["accuracy"] == 0
        assert part["entropy_bits"] is part["top_action"] is None
    assert ("[bold]I think left" in text(found)) == (controller == "Garbled")


@pytest.mark.parametrize("task", TASKS)
def test_a_language_model_is_scored_and_asked_ordinary_questions(task: str, tmp_path: Path) -> None:
    found = probe(ProbeSetup(task, "smollm2", states=10, asking=AS_SHIPPED, questions="few"), tmp_path / "run")
    states = found["diagnostics"]["states"]
    assert [state["situation"] for state in states] == [d.situation for d in find_task(task).diagnostics]
    assert all(0 < state["p_right"] < 1 for state in states)
    if task == "cartpole":  # of two actions, the likelier one is answered
        assert all((state["p_right"] >= 0.5) == state["correct"] for state in states)
    assert [asked["question"] for asked in found["questions"]] == list(FEW_QUESTIONS)
    assert "4" in found["questions"][0]["answer"]
    assert found["questions"][0]["right"]
    assert found["knowledge"]["n"] == 4
    assert found["knowledge"]["base"] is None
    assert found["moved"] is None
    shown = text(found, 80)
    assert "p(right)" in shown
    assert "Tell me a joke." in shown


def test_a_model_compared_with_itself_still_knows_everything_and_has_not_moved(tmp_path: Path) -> None:
    setup = ProbeSetup("cartpole", "smollm2", states=0, asking=AS_SHIPPED, questions="few", base="smollm2")
    found = probe(setup, tmp_path / "run")
    knowledge, base = found["knowledge"], found["knowledge"]["base"]
    assert knowledge["right"] == base["right"] == base["still_right"] >= 1
    assert base["still_right_share"] == 1
    assert base["kl_nats"] == 0
    assert base["kl_ci95"] == [0, 0]
    assert base["why_no_kl"] is None
    assert found["moved"] == {"n": len(find_task("cartpole").diagnostics), "kl_nats": 0, "kl_ci95": [0, 0]}
    shown = text(found, 80)
    assert "where it flies it has moved by 0 nats (0 to 0" in shown
    assert "still right" in shown
    assert "KL divergence from smollm2: 0 nats" in shown
    written = (tmp_path / "run" / ANSWERS).read_text().splitlines()
    assert [json.loads(line) for line in written] == found["questions"]


def test_ctrl_c_keeps_every_question_that_was_answered(tmp_path: Path) -> None:
    def progress(done: int, total: int, what: str) -> None:
        if what == FEW_QUESTIONS[1]:
            raise KeyboardInterrupt

    setup = ProbeSetup("cartpole", "smollm2", states=0, asking=AS_SHIPPED, questions="few")
    with pytest.raises(KeyboardInterrupt, match="kept in"):
        probe(setup, tmp_path / "run", progress)
    written = (tmp_path / "run" / ANSWERS).read_text().splitlines()
    assert [json.loads(line)["question"] for line in written] == list(FEW_QUESTIONS[:2])
    assert read_run(tmp_path / "run").summary == {"interrupted": True}


def test_questions_of_ones_own_are_asked(tmp_path: Path) -> None:
    mine = tmp_path / "mine.jsonl"
    mine.write_text('{"kind": "mine", "question": "What is the opposite of up?", "says": ["down"]}\n')
    setup = ProbeSetup("cartpole", "smollm2", states=0, asking=AS_SHIPPED, questions=str(mine))
    found = probe(setup, tmp_path / "run")
    assert [asked["right"] for asked in found["questions"]] == [True]
    assert found["knowledge"]["kinds"] == {"mine": {"n": 1, "right": 1, "base_right": None, "still_right": None}}


def test_what_a_model_writes_can_be_probed_too(tmp_path: Path) -> None:
    asking = Asking(PromptStyle(examples=4), Reading.GENERATE)
    found = probe(ProbeSetup("cartpole", "smollm2", states=0, asking=asking, questions="none"), tmp_path / "run")
    assert found["teacher_states"]["n"] == 0
    assert all(state["p_right"] is None for state in found["diagnostics"]["states"])
    assert any(state["text"] for state in found["diagnostics"]["states"])
    assert found["questions"] == []
    assert found["knowledge"] is None
    assert text(found)


def test_it_is_recorded_as_it_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "cartpole", "random", "--seed", "4", "--runs", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    run = read_run(Path(printed.pop("run")))
    assert run.summary == printed
    assert run.run["asked"]["verb"] == "probe"
    assert run.run["asked"]["seed"] == 4


def test_the_same_seed_gives_the_same_probe(tmp_path: Path) -> None:
    first, again = (probe(ProbeSetup("lunarlander", "random", seed=9), tmp_path / name) for name in "ab")
    assert {**first, "run": ""} == {**again, "run": ""}


def task_file(folder: Path, body: str) -> str:
    path = folder / "task.py"
    path.write_text(
        "from ontick.tasks.base import Diagnostic, Task\nfrom ontick.tasks.cartpole import CartPole\n"
        f"class Own(CartPole):\n    name = 'own'\n    {body}\n"
    )
    return str(path)


def test_a_task_without_a_teacher_is_probed_by_its_diagnostics(tmp_path: Path) -> None:
    where = task_file(tmp_path, "teacher = Task.teacher")
    found = probe(ProbeSetup("own", "random", task_module=where), tmp_path / "run")
    assert found["teacher_states"] is None
    assert found["diagnostics"]["n"] == 14
    assert rows_sum_to_the_wanted(found["diagnostics"], found["actions"])


def test_a_task_without_diagnostics_is_probed_by_its_teacher(tmp_path: Path) -> None:
    found = probe(ProbeSetup("own", "teacher", task_module=task_file(tmp_path, "diagnostics = ()")), tmp_path / "run")
    assert found["diagnostics"]["accuracy"] is None
    assert found["teacher_states"]["accuracy"] == 1
    assert text(found)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("diagnostics, teacher = (), Task.teacher", "give it diagnostics or a teacher"),
        ("diagnostics = (Diagnostic((0.0, 0.0), frozenset({1}), 'short'),)", "diagnostic state 1.*does not fit"),
        ("diagnostics = (Diagnostic((0.0, 0.0, 0.0, 0.0), frozenset({5}), 'what'),)", "does not fit"),
        ("diagnostics = (Diagnostic((0.0, 0.0, 0.0, 0.0), frozenset(), 'none'),)", "does not fit"),
    ],
)
def test_a_task_that_cannot_be_probed_is_one_line_and_leaves_nothing(body: str, says: str, tmp_path: Path) -> None:
    setup = ProbeSetup("own", "random", task_module=task_file(tmp_path, body))
    with pytest.raises(OntickError, match=says) as caught:
        probe(setup, tmp_path / "run")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_controller_that_writes_into_a_state_is_told(own: str, tmp_path: Path) -> None:
    with pytest.raises(OntickError, match="read-only"):
        probe(ProbeSetup("cartpole", f"{own}:Cheat"), tmp_path / "run")
