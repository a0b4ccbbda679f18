"""Calibration: whatever a model adds to one action in every state is taken off, and nothing else is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import families
from ontick.contracts import ControllerContract
from ontick.controllers.base import Controller, Observation
from ontick.controllers.leaning import Leaning, leaning_of
from ontick.controllers.llm import LanguageModelController
from ontick.errors import OntickError
from ontick.learning.sft.learner import batch_policy
from ontick.learning.sft.settings import SftSettings
from ontick.models.base import Choice, Completion, LanguageModel, Message, ModelInfo, ModelOptions, Reading
from ontick.models.catalog import load_model
from ontick.models.hf.load import load
from ontick.models.hf.model import HuggingFace
from ontick.prompts import Prompt, PromptStyle
from ontick.tasks import find_task
from ontick.tasks.base import Task

CARTPOLE = find_task("cartpole")
SHOWN = len(CARTPOLE.examples) // 2
STYLE = PromptStyle(features=("angle", "spin"), examples=SHOWN, calibrate=True)
LEANS = 5.0
"""In nats: far more than a state changes."""

NATS = st.floats(-20, 20)


def normalised(scores: Sequence[float]) -> tuple[float, ...]:
    total = math.log(math.fsum(map(math.exp, scores)))
    return tuple(score - total for score in scores)


def choice(logprobs: Sequence[float]) -> Choice:
    return Choice(int(np.argmax(logprobs)), tuple(logprobs), prefix_tokens=0, new_tokens=1, elapsed_ms=0.0)


@st.composite
def answers(draw: st.DrawFn) -> tuple[list[tuple[float, ...]], tuple[float, ...]]:
    """Answers in several states, and what a model might add to each action in all of them."""
    actions = draw(st.integers(2, 5))
    row = st.tuples(*[NATS] * actions)
    return [normalised(scores) for scores in draw(st.lists(row, min_size=1, max_size=8))], draw(row)


@given(answers())
def test_what_is_added_to_an_action_in_every_state_makes_no_difference(
    drawn: tuple[list[tuple[float, ...]], tuple[float, ...]],
) -> None:
    told, leaning = drawn
    tilted = [normalised([score + more for score, more in zip(row, leaning, strict=True)]) for row in told]
    plain, corrected = Leaning.over(told), Leaning.over(tilted)
    for one, other in zip(told, tilted, strict=True):
        assert corrected.corrected(choice(other)).logprobs == pytest.approx(
            plain.corrected(choice(one)).logprobs, abs=1e-6
        )


@given(answers())
def test_what_comes_out_is_a_choice_like_any_other(drawn: tuple[list[tuple[float, ...]], tuple[float, ...]]) -> None:
    told, _ = drawn
    for row in told:
        evened = Leaning.over(told).corrected(choice(row))
        assert math.fsum(map(math.exp, evened.logprobs)) == pytest.approx(1)
        assert evened.index == evened.logprobs.index(max(evened.logprobs))
        assert replace(evened, index=0, logprobs=()) == replace(choice(row), index=0, logprobs=())


def test_a_model_that_says_the_same_whatever_it_is_shown_says_nothing() -> None:
    told = normalised((4.0, 0.0, 1.0))
    assert Leaning.over([told] * 3).corrected(choice(told)).logprobs == pytest.approx([math.log(1 / 3)] * 3)


class Leaner:
    """A model that reads the angle, and leans to the right by far more."""

    info = ModelInfo("leaner", "none", None, None, (Reading.SCORE, Reading.GENERATE))

    def __init__(self) -> None:
        self.asked: list[str] = []

    def warm_up(self, messages: Sequence[Message]) -> None:
        """Nothing to get ready."""

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        self.asked.append(messages[-1].content)
        angle = int(messages[-1].content.split()[0])
        return choice(normalised((0.0, LEANS + angle / 100)))

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        raise NotImplementedError


def action(controller: LanguageModelController, angle: float) -> int | None:
    return controller.decide(Observation(np.array([0, 0, angle, 0], dtype=np.float32), 0)).action


def test_a_leaning_hides_what_a_model_knows_and_calibration_shows_it() -> None:
    leaning, calibrated = (
        LanguageModelController(Leaner(), Prompt(CARTPOLE, replace(STYLE, calibrate=calibrate)))
        for calibrate in (False, True)
    )
    leaning.reset(0)
    calibrated.reset(0)
    assert [action(leaning, angle) for angle in (-0.2, 0.2)] == [1, 1]
    assert [action(calibrated, angle) for angle in (-0.2, 0.2)] == [0, 1]


def test_the_leaning_is_found_out_once_before_the_first_tick() -> None:
    model = Leaner()
    controller = LanguageModelController(model, Prompt(CARTPOLE, STYLE))
    controller.reset(0)
    asked = len(model.asked)
    assert asked == len(CARTPOLE.examples) - SHOWN
    controller.reset(1)
    action(controller, 0.1)
    assert len(model.asked) == asked + 1


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
def test_it_is_found_out_by_states_that_are_not_shown_as_many_for_each_action(name: str) -> None:
    task = find_task(name)
    for shown in range(0, len(task.examples), len(task.actions)):
        references = Prompt(task, PromptStyle(examples=shown, calibrate=True)).references
        assert [tuple(state) for state in references] == [example.state for example in task.examples[shown:]]
        wanted = [example.action for example in task.examples[shown:]]
        assert len({wanted.count(action) for action in range(len(task.actions))}) == 1


def test_calibration_that_cannot_be_is_said_so() -> None:
    with pytest.raises(OntickError, match="needs examples that are not shown"):
        Prompt(CARTPOLE, replace(STYLE, examples=len(CARTPOLE.examples)))
    with pytest.raises(OntickError, match="one action at a time"):
        Prompt(CARTPOLE, STYLE, 4)
    with pytest.raises(OntickError, match="corrects scores"):
        LanguageModelController(Leaner(), Prompt(CARTPOLE, STYLE), Reading.GENERATE)
    with pytest.raises(OntickError, match="not trained"):
        SftSettings(prompt=STYLE).check()


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return load_model("smollm2", ModelOptions(quantisation="as-is", threads=1))


class TestCalibratedLanguageModel(ControllerContract):
    @pytest.fixture(autouse=True)
    def _use(self, model: LanguageModel) -> None:
        self.model = model

    def make_controller(self, task: Task) -> Controller:
        return LanguageModelController(self.model, Prompt(task, STYLE))


def test_the_leaning_is_the_mean_over_the_references(model: LanguageModel) -> None:
    prompt = Prompt(CARTPOLE, replace(STYLE, examples=len(CARTPOLE.examples) - 4))
    told = [model.choose(prompt.messages(state), prompt.choices).logprobs for state in prompt.references]
    assert leaning_of(model, prompt).logprobs == pytest.approx(np.mean(told, axis=0), abs=1e-3)


@pytest.mark.parametrize("name", ["cartpole", "lunarlander"])
def test_many_states_at_once_are_answered_as_each_alone_is(name: str) -> None:
    task, folder = find_task(name), str(families.folder_of("smollm2"))
    options = ModelOptions(dtype="float32", device="cpu", threads=1, context_tokens=4096)
    prompt = Prompt(task, PromptStyle(examples=4, calibrate=True))
    alone, together = (
        LanguageModelController(HuggingFace(folder, options=options), prompt),
        batch_policy(load(folder, options), prompt),
    )
    alone.reset(0)
    states = np.random.default_rng(0).uniform(-1, 1, (12, len(task.features))).astype(np.float32)
    said = [alone.decide(Observation(state, 0)).action for state in states]
    assert together.decide_many(states) == said
    assert len(set(said)) > 1
