from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ontick.contracts import ControllerContract
from ontick.controllers.base import Controller, Observation
from ontick.controllers.catalog import make_controller
from ontick.controllers.llm import LanguageModelController
from ontick.controllers.scripted import Chance, Nobody, Teacher
from ontick.controllers.wrappers import Delayed
from ontick.errors import OntickError
from ontick.latency import Constant, Lognormal
from ontick.models.base import LanguageModel
from ontick.models.catalog import load_model
from ontick.prompts import Prompt
from ontick.tasks import find_task
from ontick.tasks.base import Task

OWN = str(Path(__file__).parents[2] / "docs" / "examples" / "angle_only.py")


class TestTeacher(ControllerContract):
    def make_controller(self, task: Task) -> Controller:
        return Teacher(task)


class TestLandersTeacher(TestTeacher):
    def make_task(self) -> Task:
        return find_task("lunarlander")


class TestNobody(ControllerContract):
    def make_controller(self, task: Task) -> Controller:
        return Nobody()


class TestChance(ControllerContract):
    def make_controller(self, task: Task) -> Controller:
        return Chance(task)


class TestDelayed(ControllerContract):
    def make_controller(self, task: Task) -> Controller:
        return Delayed(Chance(task), Lognormal(150, 0.25))


class TestOwnController(ControllerContract):
    def make_controller(self, task: Task) -> Controller:
        return make_controller(f"python:{OWN}:AngleOnly", task)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load_model("smollm2")


class TestLanguageModel(ControllerContract):
    @pytest.fixture(autouse=True)
    def _use(self, model: LanguageModel) -> None:
        self.model = model

    def make_controller(self, task: Task) -> Controller:
        return LanguageModelController(self.model, Prompt(task))


def test_a_language_model_says_the_digit_of_its_action(model: LanguageModel) -> None:
    task = find_task("lunarlander")
    controller = LanguageModelController(model, Prompt(task))
    controller.reset(0)
    decision = controller.decide(Observation(task.make().reset(seed=0)[0], 0))
    assert decision.text == str(decision.action)


def test_a_delay_is_put_on_top_of_a_delay() -> None:
    task = find_task("cartpole")
    controller = Delayed(Delayed(Chance(task), Constant(10)), Constant(5))
    controller.reset(0)
    assert controller.decide(Observation(task.make().reset(seed=0)[0], 0)).delay == 15_000_000


def test_chance_is_even() -> None:
    task = find_task("lunarlander")
    controller = Chance(task)
    controller.reset(0)
    observation = Observation(task.make().reset(seed=0)[0], 0)
    drawn = Counter(controller.decide(observation).action for _ in range(4000))
    assert set(drawn) == {0, 1, 2, 3}
    # Each count is binomial(4000, 1/4): 1000 with a standard deviation of 27.
    assert all(abs(times - 1000) < 5 * 27.4 for times in drawn.values())


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("techer", "did you mean 'teacher'"),
        ("", "unknown controller"),
        ("hf:something", "no folder something"),
        ("hg:something", "unknown controller"),
        ("python:nowhere.py:X", "no such file"),
        (f"python:{OWN}:Nothing", "has no 'Nothing'"),
        (f"python:{OWN}", "has no|no such file|names no attribute|cannot import"),
        ("python:math:sqrt", "could not be made"),
        ("python:math:pi", "is not callable"),
        ("python:builtins:list", "could not be made|has no reset"),
        ("gguf:/nowhere/model.gguf", "cannot read"),
    ],
)
def test_a_wrong_word_is_one_clear_line(word: str, complaint: str) -> None:
    with pytest.raises(OntickError, match=complaint) as caught:
        make_controller(word, find_task("cartpole"))
    assert "\n" not in str(caught.value)
