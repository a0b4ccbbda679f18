"""A plan is read back as it was written, as far as it is one; what is asked of a model says how many actions it has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.controllers.scripted import Teacher
from ontick.errors import OntickError
from ontick.late import LateRule
from ontick.latency import Constant
from ontick.loop import VirtualTime, fly
from ontick.models.base import Message, NoAnswer
from ontick.plans import LONGEST_CHUNK, WrittenPlan, check_chunk, every_word, plan_of, read_plan
from ontick.prompts import ExamplesIn, Layout, Prompt, PromptStyle, begun
from ontick.tasks import find_task
from ontick.tasks.base import Example, Task
from ontick.tasks.cartpole import CartPole
from worlds import CountingTask

DIGITS = ("0", "1", "2", "3")
CARTPOLE = find_task("cartpole")
STATE = (0.1, 0.2, 0.03, -0.4)

plans = st.lists(st.integers(0, 3), min_size=1, max_size=9)
betweens = st.sampled_from(["", " ", ",", ", ", "\n", " ,\n"])
openings = st.sampled_from(["", " ", "[", "**", "'", "\n("])


class Unforeseen(CartPole):
    """CartPole without a forward model."""

    predict = Task.predict


class Eleven(CountingTask):
    actions: ClassVar = tuple(map(str, range(11)))
    noop: ClassVar = 11


@given(plans, betweens, openings, st.sampled_from(["", "]", ".", "**", "\n", " and so on", "7", "x"]))
def test_a_plan_reads_back_whatever_stands_before_between_and_behind(
    plan: list[int], between: str, opening: str, ending: str
) -> None:
    said = opening + between.join(map(str, plan)) + ending
    assert read_plan(said, DIGITS, len(plan)) == WrittenPlan(tuple(plan))


@given(plans, plans, betweens)
def test_what_is_more_than_was_asked_for_is_left_out(plan: list[int], more: list[int], between: str) -> None:
    said = between.join(map(str, plan + more))
    assert read_plan(said, DIGITS, len(plan)) == WrittenPlan(tuple(plan))


@given(plans, st.integers(1, 9), betweens, st.sampled_from(["", " ", ".", "]\n", "**"]))
def test_a_plan_that_ends_early_is_used_and_short(plan: list[int], missing: int, between: str, ending: str) -> None:
    said = between.join(map(str, plan)) + ending
    assert read_plan(said, DIGITS, len(plan) + missing) == WrittenPlan(tuple(plan), "short")


@given(plans, st.integers(1, 9), betweens, st.sampled_from(["4", "9 1", "x", " then left", "-1", ".5", "\u0661"]))
def test_a_plan_that_goes_on_with_what_is_no_action_is_used_up_to_there(
    plan: list[int], missing: int, between: str, ending: str
) -> None:
    said = between.join(map(str, plan)) + ending
    assert read_plan(said, DIGITS, len(plan) + missing) == WrittenPlan(tuple(plan), "illegal")


@given(st.text(alphabet="0123 ,-.ax\n[]*_9\u0661", max_size=12), st.integers(2, 5))
def test_whatever_is_written_a_plan_is_legal_and_no_longer_than_asked_for(said: str, chunk: int) -> None:
    prompt = Prompt(find_task("lunarlander"), chunk=chunk)
    try:
        plan = prompt.read(said)
    except NoAnswer:
        with pytest.raises(NoAnswer):
            prompt.parse(said)
        return
    assert 1 <= len(plan.actions) <= chunk
    assert all(action in range(4) for action in plan.actions)
    assert (plan.cut is None) == (len(plan.actions) == chunk)


@pytest.mark.parametrize(
    ("said", "kind"),
    [("", "empty"), ("2 0 1", "prose"), ("-1", "prose"), ("left", "prose"), ("I'm sorry", "refusal"), (" \n", "empty")],
)
def test_an_answer_without_a_first_action_fails_as_it_does_for_one_action(said: str, kind: str) -> None:
    for chunk in (1, 3):
        with pytest.raises(NoAnswer) as failure:
            Prompt(CARTPOLE, chunk=chunk).read(said)
        assert failure.value.kind == kind


@pytest.mark.parametrize("said", ["0", "1.", "**1**", "01", "1 0", "0.1", "", "x", "-1"])
def test_one_action_is_read_as_ever(said: str) -> None:
    prompt = Prompt(CARTPOLE)
    try:
        expected = prompt.parse(said)
    except NoAnswer:
        with pytest.raises(NoAnswer):
            prompt.read(said)
    else:
        assert prompt.read(said) == WrittenPlan((expected,))


@pytest.mark.parametrize("chunk", [0, -1, LONGEST_CHUNK + 1])
def test_a_length_that_no_plan_has_is_refused(chunk: int) -> None:
    with pytest.raises(OntickError, match=f"--chunk {chunk} cannot be; give 1 to 64"):
        check_chunk(chunk)
    with pytest.raises(OntickError, match="--chunk"):
        Prompt(CARTPOLE, chunk=chunk)


def test_more_actions_than_digits_make_no_plan() -> None:
    Prompt(Eleven())
    with pytest.raises(OntickError, match="11 actions; give --chunk 1"):
        Prompt(Eleven(), chunk=2)


def test_every_word_is_each_plan_once() -> None:
    assert every_word(("0", "1"), 2) == ("00", "01", "10", "11")
    assert Prompt(CARTPOLE).words(1) == Prompt(CARTPOLE).choices


def test_a_prompt_for_one_action_says_what_it_always_said() -> None:
    situation = (
        "A pole stands on a cart. angle is its tilt and spin how fast it tilts; both are positive to the right. "
        "Push the cart to the side to which the pole is falling."
    )
    values = "x x 100, v x 100, angle x 100, spin x 100"
    chat = f"{situation} You are given {values}. Answer with one digit: 0 = left, 1 = right."
    compact = f"{situation} Write {values}; then = and one digit: 0 = left, 1 = right."
    assert Prompt(CARTPOLE, chunk=1).messages(STATE) == [Message("system", chat), Message("user", "10 20 3 -40")]
    assert Prompt(CARTPOLE, PromptStyle(layout=Layout.COMPACT), 1).messages(STATE) == [
        Message("system", compact),
        Message("user", "State and action?"),
        Message("assistant", "10 20 3 -40="),
    ]


@pytest.mark.parametrize("layout", Layout)
def test_a_prompt_for_a_plan_says_how_long_and_from_when(layout: Layout) -> None:
    style = PromptStyle(layout=layout)
    system, *_, last = Prompt(CARTPOLE, style, 6).messages(STATE)
    steps = (
        "6 digits without blanks, one for each of the next 6 steps of 20 ms, the first for now: 0 = left, 1 = right."
    )
    assert system.content.endswith(steps)
    assert last == Prompt(CARTPOLE, style).messages(STATE)[-1], "the state is said alike"


@pytest.mark.parametrize("where", ExamplesIn)
@pytest.mark.parametrize("layout", Layout)
def test_examples_of_a_plan_are_written_as_question_and_answer_are(layout: Layout, where: ExamplesIn) -> None:
    prompt = Prompt(CARTPOLE, PromptStyle(examples=4, layout=layout, examples_in=where), 5)
    before = prompt.messages(STATE)[:-1]
    for example in CARTPOLE.examples[:4]:
        plan = plan_of(CARTPOLE, example, 5)
        assert len(plan) == 5
        asked, answered = prompt.messages(example.state), prompt.answered(example.state, *plan)
        word = "".join(map(str, plan))
        assert answered == begun(asked, word)
        if where is ExamplesIn.SYSTEM:
            assert f"{prompt.describe(example.state)}={word}" in before[0].content.splitlines()
        else:
            assert all(turn in before for turn in answered[len(asked) - 1 :])
        assert prompt.read(word) == WrittenPlan(plan)


@pytest.mark.parametrize("task", [CARTPOLE, find_task("lunarlander")], ids=lambda task: task.name)
def test_an_examples_plan_begins_with_its_action_and_grows_from_there(task: Task) -> None:
    for example in task.examples[:6]:
        longest = plan_of(task, example, 8)
        assert longest[0] == example.action
        assert plan_of(task, example, 3) == longest[:3]


def test_an_examples_plan_is_what_the_teacher_then_does() -> None:
    flight = fly(CARTPOLE, CARTPOLE.make(), Teacher(CARTPOLE), VirtualTime(Constant(0)), late=LateRule.HOLD, seed=3)
    actions = [tick.action for tick in flight.ticks]
    agreed: list[bool] = []
    for tick in flight.ticks[:300:20]:
        state: Sequence[float] = tick.observation.tolist()
        plan = plan_of(CARTPOLE, Example(tuple(state), tick.action), 6)
        agreed += [a == b for a, b in zip(plan, actions[tick.tick :], strict=False)]
    assert all(agreed)


def test_examples_without_a_teacher_to_go_on_with_are_refused_for_a_plan_only() -> None:
    style = PromptStyle(examples=2)
    Prompt(Unforeseen(), style)
    Prompt(Unforeseen(), chunk=3)
    with pytest.raises(OntickError, match=r"leave --prompt\.examples out"):
        Prompt(Unforeseen(), style, 3)
