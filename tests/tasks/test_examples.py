"""The examples that ship: made again from their recipe, balanced from the first, the beginning beyond doubt."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from ontick.contracts import TaskContract
from ontick.errors import OntickError
from ontick.prompts import ExamplesIn, Layout, Numbers, Prompt, PromptStyle
from ontick.tasks import find_task
from ontick.tasks.base import Diagnostic, Example, Task
from ontick.tasks.cartpole import CartPole
from ontick.tasks.examples import read_examples

TASKS = [find_task(name) for name in ("cartpole", "lunarlander")]


def named(task: Task) -> str:
    return task.name


def test_the_recipe_gives_the_files_that_ship(tmp_path: Path, root: Path) -> None:
    command = [sys.executable, str(root / "recipes" / "examples.py"), "--folder", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    made = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    shipped = root / "src" / "ontick" / "tasks" / "examples"
    assert made == {file.name: file.read_bytes() for file in shipped.glob("*.jsonl")}


@pytest.mark.parametrize("task", TASKS, ids=named)
def test_every_beginning_is_as_balanced_as_can_be_and_gives_no_pattern(task: Task) -> None:
    shown = [example.action for example in task.examples]
    assert len(shown) >= 32
    for count in range(1, len(shown) + 1):
        times = Counter(shown[:count])
        assert max(times.values()) - min(times[action] for action in range(len(task.actions))) <= 1
    turns = {tuple(shown[start : start + len(task.actions)]) for start in range(0, len(shown), len(task.actions))}
    assert len(turns) > 1


@pytest.mark.parametrize("task", TASKS, ids=named)
@pytest.mark.parametrize("numbers", [Numbers.WHOLE, Numbers.TWO, Numbers.THREE])
def test_the_teacher_agrees_with_what_a_prompt_says_whatever_its_decimals(task: Task, numbers: Numbers) -> None:
    env = task.make()
    prompt = Prompt(task, PromptStyle(numbers=numbers))
    said = [prompt.describe(example.state).split() for example in task.examples]
    assert len(set(map(tuple, said))) == len(said)
    for example, words in zip(task.examples, said, strict=True):
        scale = [10.0**feature.decimals if numbers is Numbers.WHOLE else 1.0 for feature in task.features]
        state = np.array([float(word) / by for word, by in zip(words, scale, strict=True)], dtype=np.float32)
        assert task.teacher(env, state) == example.action
        if numbers is Numbers.THREE:
            assert state == pytest.approx(np.array(example.state, dtype=np.float32), abs=1e-6)


@pytest.mark.parametrize("task", TASKS, ids=named)
def test_the_first_ones_are_clear_and_all_are_varied(task: Task) -> None:
    env, rng = task.make(), np.random.default_rng(0)
    states = np.array([example.state for example in task.examples])
    inexact = np.array([feature.decimals > 0 for feature in task.features])
    shake = 0.2 * states.std(axis=0) * inexact

    def firmness(number: int) -> float:
        shaken = np.array(states[number] + rng.normal(0, shake, (200, len(shake))), dtype=np.float32)
        return float(np.mean([task.teacher(env, state) == task.examples[number].action for state in shaken]))

    assert min(map(firmness, range(8))) > 0.85
    for action in range(len(task.actions)):
        of_action = states[[example.action == action for example in task.examples]]
        assert np.all(of_action.std(axis=0)[inexact] > 0.2 * states.std(axis=0)[inexact])


@pytest.mark.parametrize("task", TASKS, ids=named)
@pytest.mark.parametrize("where", list(ExamplesIn))
@pytest.mark.parametrize("layout", list(Layout))
def test_a_prompt_shows_them(task: Task, where: ExamplesIn, layout: Layout) -> None:
    prompt = Prompt(task, PromptStyle(examples=8, examples_in=where, layout=layout))
    words = "\n".join(message.content for message in prompt.messages(task.examples[-1].state)[:-1])
    for state, _ in task.examples[:8]:
        assert prompt.describe(state) in words
    assert prompt.describe(task.examples[8].state) not in words


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"state": [1]}', '{"state": "x", "action": 1}', '{"state": [1], "action": "x"}']
)
def test_a_file_of_something_else_is_one_clear_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(line)
    with pytest.raises(OntickError, match=r"no file of examples.*write one a line"):
        read_examples(path)
    with pytest.raises(OntickError, match="cannot read"):
        read_examples(tmp_path / "nowhere.jsonl")


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps({"state": [0.5, -1], "action": 2}) + "\n")
    assert [(example.state, example.action) for example in read_examples(path)] == [((0.5, -1.0), 2)]


GOOD_DIAGNOSTICS = CartPole.diagnostics


@pytest.mark.parametrize(
    ("law", "examples", "diagnostics"),
    [
        ("examples_are_whole_states_with_legal_actions", [((0.0, 0.0), 1)], GOOD_DIAGNOSTICS),
        ("examples_are_whole_states_with_legal_actions", [((0.0, 0.0, 0.1, 1.0), 2)], GOOD_DIAGNOSTICS),
        ("no_beginning_of_the_examples_lacks_an_action", [((0.0, 0.0, 0.1, 1.0), 1)] * 4, GOOD_DIAGNOSTICS),
        ("the_teacher_does_what_the_examples_do", [((0.0, 0.0, 0.1, 1.0), 0)], GOOD_DIAGNOSTICS),
        ("diagnostics_are_whole_states_with_legal_right_actions", [], [((0.0,), {1}, "short")]),
        ("diagnostics_are_whole_states_with_legal_right_actions", [], [((0.0, 0.0, 0.1, 1.0), {0, 1}, "any")]),
        ("diagnostics_are_whole_states_with_legal_right_actions", [], [((0.0, 0.0, 0.1, 1.0), set[int](), "none")]),
        ("the_diagnostics_call_for_every_action", [], GOOD_DIAGNOSTICS[:1]),
        ("the_teacher_is_right_in_every_diagnostic_state", [], [((0.0, 0.0, 0.1, 1.0), {0}, "wrong")]),
    ],
)
def test_each_law_catches_who_breaks_it(
    law: str,
    examples: Sequence[tuple[tuple[float, ...], int]],
    diagnostics: Sequence[tuple[tuple[float, ...], Collection[int], str]],
) -> None:
    class Broken(CartPole):
        examples: ClassVar = ()
        diagnostics: ClassVar = ()

    Broken.examples = tuple(Example(*example) for example in examples)
    Broken.diagnostics = tuple(Diagnostic(state, frozenset(right), what) for state, right, what in diagnostics)

    class Contract(TaskContract):
        def make_task(self) -> Task:
            return Broken()

    with pytest.raises(AssertionError):
        getattr(Contract(), f"test_{law}")()
