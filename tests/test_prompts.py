from __future__ import annotations

import itertools
from dataclasses import asdict, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.dead_time import NO_MORE, UNDECIDED
from ontick.errors import OntickError
from ontick.models.base import NoAnswer
from ontick.prompts import ExamplesIn, Layout, Prompt, PromptStyle
from ontick.tasks import find_task
from ontick.tasks.base import Example
from ontick.tasks.cartpole import CartPole
from ontick.wording import Numbers


class Shown(CartPole):
    """CartPole with two examples."""

    examples: ClassVar = (Example((0.0, 0.0, 0.05, 0.1), 1), Example((0.0, 0.0, -0.05, -0.1), 0))


TASKS = {"cartpole": Shown(), "lunarlander": find_task("lunarlander")}
STYLES = [
    PromptStyle(numbers=numbers, layout=layout, examples=examples, examples_in=place)
    for numbers, layout, examples, place in itertools.product(Numbers, Layout, (0, 2), ExamplesIn)
]
VALUES = st.lists(st.floats(-3, 3, width=32), min_size=8, max_size=8)
PLAIN = {name: Prompt(task) for name, task in TASKS.items()}


@pytest.mark.parametrize("name", TASKS)
@given(VALUES)
def test_only_the_last_message_depends_on_the_state(name: str, values: list[float]) -> None:
    for style in STYLES:
        if style.examples and name != "cartpole":
            continue
        prompt = Prompt(TASKS[name], style)
        size = len(prompt.task.features)
        here, nowhere = prompt.messages(values[:size]), prompt.messages([0.0] * size)
        assert here[:-1] == nowhere[:-1]
        assert here[-1].role == ("user" if style.layout is Layout.CHAT else "assistant")
        assert here[-1].content == here[-1].content.strip(), "templates trim, and nothing may be lost by it"


@pytest.mark.parametrize("name", TASKS)
@given(VALUES)
def test_the_state_can_be_read_back_to_its_decimals(name: str, values: list[float]) -> None:
    prompt = PLAIN[name]
    features = prompt.task.features
    said = prompt.describe(np.array(values[: len(features)], dtype=np.float32)).split()
    for feature, value, word in zip(features, values, said, strict=False):
        assert int(word) / 10**feature.decimals == pytest.approx(value, abs=0.51 / 10**feature.decimals)


def test_the_words_of_a_state() -> None:
    state = [-0.031, 0.12, 0.004, -0.3]
    assert PLAIN["cartpole"].describe(state) == "-3 12 0 -30"
    assert Prompt(Shown(), PromptStyle(numbers=Numbers.TWO)).describe(state) == "-0.03 0.12 0.00 -0.30"
    assert Prompt(Shown(), PromptStyle(features=("spin", "angle"))).describe(state) == "-30 0"


@pytest.mark.parametrize("name", TASKS)
def test_every_action_has_a_word_of_its_own_and_the_instruction_names_them(name: str) -> None:
    prompt = PLAIN[name]
    assert len(set(prompt.choices)) == len(prompt.task.actions)
    system = prompt.messages([0.0] * len(prompt.task.features))[0].content
    for word, action in zip(prompt.choices, prompt.task.actions, strict=True):
        assert f"{word} = {action}" in system


@pytest.mark.parametrize("style", [style for style in STYLES if style.examples], ids=str)
def test_an_example_is_written_as_the_question_and_its_answer_are(style: PromptStyle) -> None:
    prompt = Prompt(Shown(), style)
    before = prompt.messages([1.0, 1.0, 0.1, 1.0])[:-1]
    for state, action in Shown.examples:
        asked, answered = prompt.messages(state), prompt.answered(state, action)
        if style.examples_in is ExamplesIn.SYSTEM:
            assert f"{prompt.describe(state)}={action}" in before[0].content
        elif style.layout is Layout.COMPACT:
            assert answered[-1] in before
            assert answered[-1].content == asked[-1].content + str(action)
        else:
            place = before.index(asked[-1])
            assert list(before[place : place + 2]) == answered[-2:]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_what_is_learnt_from_begins_with_what_is_asked(style: PromptStyle) -> None:
    prompt = Prompt(Shown(), style)
    state = [0.1, 0.2, 0.03, -0.4]
    asked, answered = prompt.messages(state), prompt.answered(state, 1)
    assert answered[: len(asked) - 1] == asked[:-1]
    assert answered[-1].content.endswith("1")


@pytest.mark.parametrize("said", ["0", "1", " 1", "1.", "'0'", "**1**", "0\n", "(1)"])
def test_a_digit_with_nothing_but_punctuation_around_it_is_an_action(said: str) -> None:
    assert str(PLAIN["cartpole"].parse(said)) in said


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("Push left", "prose"),
        ("2", "prose"),
        ("-1", "prose"),
        ("0.1", "prose"),
        ("1 or 0", "prose"),
        ("I'm sorry, but I", "refusal"),
        ("I can't", "refusal"),
    ],
)
def test_anything_else_is_none_by_kind(said: str, kind: str) -> None:
    with pytest.raises(NoAnswer) as failure:
        PLAIN["cartpole"].parse(said)
    assert failure.value.kind == kind


def test_a_feature_that_is_not_there_is_said_so_with_those_that_are() -> None:
    with pytest.raises(OntickError, match="did you mean 'angle'"):
        Prompt(Shown(), PromptStyle(features=("angel",)))


def test_more_examples_than_there_are_is_said_so() -> None:
    with pytest.raises(OntickError, match="has 2 examples, not 3"):
        Prompt(Shown(), PromptStyle(examples=3))


PENDING = PromptStyle(pending=4)


def test_pending_actions_stand_behind_the_state_one_a_step() -> None:
    state, prompt = [-0.031, 0.12, 0.004, -0.3], Prompt(Shown(), PENDING)
    assert prompt.describe(state, [0, 1, 2, UNDECIDED]) == "-3 12 0 -30 | 0 1 2 -"
    assert prompt.describe(state, [1, 1, NO_MORE, NO_MORE]) == "-3 12 0 -30 | 1 1"
    assert prompt.describe(state, [0, 0, 0, 0, 1, 1]) == "-3 12 0 -30 | 0 0 0 0"
    assert prompt.describe(state) == "-3 12 0 -30 |"
    assert "one for each step of 20 ms (2 = zero force, - = not known yet). Answer" in prompt.messages(state)[0].content
    compact = Prompt(find_task("lunarlander"), PromptStyle(pending=2, layout=Layout.COMPACT))
    assert compact.messages([0.0] * 8, [3, 0])[-1].content == "0 0 0 0 0 0 0 0 | 3 0="
    assert "20 ms (- = not known yet); then = and one digit" in compact.messages([0.0] * 8)[0].content


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_without_pending_actions_a_prompt_is_what_it_was(style: PromptStyle) -> None:
    """Whatever is known to be pending, and up to the one word that the others have too."""
    state, plain, told = [0.1, 0.2, 0.03, -0.4], Prompt(Shown(), style), Prompt(Shown(), replace(style, pending=3))
    assert plain.messages(state, [0, 1]) == plain.messages(state) == plain.asked([*state, 0.0, 1.0])
    assert [message.role for message in told.messages(state)] == [message.role for message in plain.messages(state)]
    assert told.messages(state, [0, 1])[-1].content.replace(" | 0 1", "") == plain.messages(state)[-1].content


@given(VALUES, st.lists(st.integers(-2, 2), max_size=6))
def test_a_row_is_its_state_and_what_is_pending(values: list[float], codes: list[int]) -> None:
    for style in (PENDING, replace(PENDING, layout=Layout.COMPACT, numbers=Numbers.LETTER)):
        prompt = Prompt(Shown(), style)
        row = np.array([*values[:4], *codes], dtype=np.float32)
        assert prompt.asked(row) == prompt.messages(row[:4], codes)
        assert prompt.asked(row)[:-1] == prompt.messages([0.0] * 4)[:-1]


def test_fewer_than_no_pending_actions_or_with_a_plan_is_said_so() -> None:
    with pytest.raises(OntickError, match=r"--prompt.pending -1 cannot be; give 0 or more"):
        Prompt(Shown(), PromptStyle(pending=-1))
    with pytest.raises(OntickError, match=r"before one action; leave it out, or --chunk"):
        Prompt(Shown(), PENDING, 2)


def test_a_style_is_read_back_as_it_was_written_and_so_is_an_older_one() -> None:
    """Cards and runs that were written before there was an option lack it."""
    for style in (*STYLES, PENDING, PromptStyle(calibrate=True)):
        assert PromptStyle.from_json(asdict(style)) == style
    newer = ("pending", "calibrate")
    old = {name: value for name, value in asdict(PromptStyle()).items() if name not in newer}
    assert PromptStyle.from_json(old) == PromptStyle()
