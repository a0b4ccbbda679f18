"""The traps in which fine-tuning fails silently are found before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers

import families
import students
from ontick.errors import OntickError
from ontick.learning.dataset import demonstrations
from ontick.learning.sft import guard
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.settings import Method, OptimiserOptions, SelectionOptions, SftSettings
from ontick.learning.sft.tokens import Asker, Examples, tokenise
from ontick.learning.sft.train import fine_tune
from ontick.models.hf.conversation import Conversation
from ontick.prompts import ExamplesIn, Layout, Prompt, PromptStyle
from ontick.records import State
from ontick.tasks import find_task
from ontick.tasks.cartpole import CartPole
from ontick.wording import Numbers

_transformers: Any = transformers

CARTPOLE = find_task("cartpole")

STYLES = [
    PromptStyle(numbers=numbers, layout=layout, examples=examples, examples_in=where)
    for numbers in (Numbers.WHOLE, Numbers.TWO, Numbers.LETTER)
    for layout in Layout
    for examples, where in ((0, ExamplesIn.TURNS), (2, ExamplesIn.TURNS), (2, ExamplesIn.SYSTEM))
]


def asker(name: str, style: PromptStyle | None = None) -> Asker:
    _, tokenizer = families.plain_model(name)
    return Asker(Prompt(CARTPOLE, style), Conversation(tokenizer, name))


def examples(n: int = 5) -> Examples:
    return Examples([1, 2, 3], [np.array([4, 5])] * n, np.full(n, 7), np.full((n, 1), 7))


@pytest.mark.parametrize("name", families.FAMILIES)
@pytest.mark.parametrize("style", STYLES, ids=str)
def test_what_is_trained_on_is_what_is_asked(name: str, style: PromptStyle) -> None:
    """The tokens of a training example are those of the whole conversation with its answer."""
    asks, demos = asker(name, style), students.taught_states(12)
    try:
        found = tokenise(asks, demos)
    except OntickError:  # this tokenizer joins the word with what stands before it
        pytest.skip("refused")
    assert len(found.prefix) > 10
    for number, state in enumerate(demos.states):
        assert found.whole(number) == asks.prompt_tokens(state)
        assert len(found.suffixes[number]) >= 1
        words = asks.conversation.template.render(asks.prompt.answered(state, int(demos.actions[number])))
        assert [*found.whole(number), int(found.targets[number])] == asks.conversation.tokenize(words)
    guard.check_answers(asks, demos, found)


def test_masked_labels_are_refused() -> None:
    masked = examples()._replace(targets=np.full(5, guard.IGNORED))
    with pytest.raises(OntickError, match="labels of all examples are masked"):
        guard.check_labels(masked, 100)
    with pytest.raises(OntickError, match="2 examples have a masked label"):
        guard.check_labels(examples()._replace(targets=np.array([7, 7, -100, 7, -100])), 100)
    with pytest.raises(OntickError, match="token 7 is beyond the model's vocabulary of 6"):
        guard.check_labels(examples(), 6)
    guard.check_labels(examples(), 100)


@pytest.mark.parametrize("weights", [[0] * 5, [1, 1, 1, 1, -1], [1, 1, 1, 1, float("nan")]])
def test_weights_that_leave_nothing_are_refused(weights: list[float]) -> None:
    with pytest.raises(OntickError, match="leave nothing to learn"):
        guard.check_labels(examples(), 100, np.array(weights, dtype=float))


def test_a_prompt_that_would_be_cut_off_is_refused() -> None:
    guard.check_room(examples(), 6)
    with pytest.raises(OntickError, match="has 6 tokens and the model reads 5: the answer would be cut off"):
        guard.check_room(examples(), 5)


def test_seeds_that_checkpoints_are_judged_by_are_refused(tmp_path: Path) -> None:
    demos = demonstrations(np.zeros((3, 4)), [0, 1, 0], "teacher", seeds=[5, 3_000_001, 3_000_002])
    settings = students.settings(selection=SelectionOptions(every=4, episodes=2))
    with pytest.raises(OntickError, match="the evaluation flies seed 3000001, which the data holds too"):
        fine_tune(CARTPOLE, Lesson(demos), settings, tmp_path / "p")
    assert not (tmp_path / "p").exists()


class Says:
    """Answers with other tokens than it should."""

    def __init__(self, asks: Asker, prompt: int = 0, answer: int = 0) -> None:
        self._asks, self._prompt, self._answer = asks, prompt, answer

    def prompt_tokens(self, state: State | Sequence[float]) -> list[int]:
        return [token + self._prompt for token in self._asks.prompt_tokens(state)]

    def answer_tokens(self, state: State | Sequence[float]) -> list[int]:
        return [token + self._answer for token in self._asks.answer_tokens(state)]


def test_another_template_in_flight_than_in_training_is_refused() -> None:
    asks, states = asker("smollm2"), students.taught_states(3).states
    guard.check_same_prompts(asks, Says(asks), states, "llama.cpp")
    with pytest.raises(OntickError, match=r"llama.cpp renders the prompt with other tokens .* chat template"):
        guard.check_same_prompts(asks, Says(asks, prompt=1), states, "llama.cpp")
    with pytest.raises(OntickError, match=r"llama\.cpp says the actions with other tokens"):
        guard.check_same_prompts(asks, Says(asks, answer=1), states, "llama.cpp")


def test_a_tokenizer_that_reads_otherwise_once_saved_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(*_: Any, **__: Any) -> Any:
        return families.plain_model("qwen2.5")[1]

    from ontick.learning.sft import result

    class Tokenizers:
        from_pretrained = staticmethod(other)

    class Library:
        AutoTokenizer = Tokenizers

    monkeypatch.setattr(result, "_transformers", Library)
    with pytest.raises(OntickError, match="the saved tokenizer"):
        fine_tune(CARTPOLE, Lesson(students.taught_states(50)), students.settings(every=0), tmp_path / "p")
    assert not (tmp_path / "p" / "pilot.json").exists()


def test_an_action_of_two_tokens_is_refused() -> None:
    class Many(CartPole):
        actions = tuple(f"engine {number}" for number in range(12))

    _, tokenizer = families.plain_model("qwen2.5")
    asks = Asker(Prompt(Many()), Conversation(tokenizer, "qwen2.5"))
    with pytest.raises(OntickError, match="does not say '10' in one token"):
        tokenise(asks, students.taught_states(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SftSettings(optimiser=OptimiserOptions(steps=0)), "--optimiser.steps 0 teaches nothing"),
        (SftSettings(optimiser=OptimiserOptions(learning_rate=-1)), "learning-rate -1"),
        (SftSettings(optimiser=OptimiserOptions(warmup=1.5)), "are shares"),
        (SftSettings(selection=SelectionOptions(every=-1)), "--selection.every -1 cannot be"),
        (SftSettings(base="api:groq/x"), "names no weights"),
        (SftSettings(base="hf:/no/such/folder"), "there is no folder"),
        (SftSettings(dtype="int8"), "unknown dtype"),
        (SftSettings(device="cpu", dtype="float16"), "float16 does not train on a processor"),
        (students.settings(Method.LORA, unsloth=True), "--unsloth needs a CUDA GPU"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_leaves_nothing(
    tmp_path: Path, settings: SftSettings, message: str
) -> None:
    with pytest.raises(OntickError, match=message) as caught:
        fine_tune(CARTPOLE, Lesson(students.taught_states(20)), settings, tmp_path / "p")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "p").exists()
