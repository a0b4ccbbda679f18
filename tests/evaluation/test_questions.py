"""An answer is right for what it says, not for its case or dress, and never for a digit said by luck."""

from __future__ import annotations

import json
import string
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.errors import OntickError
from ontick.evaluation.numerals import numbers_in
from ontick.evaluation.questions import (
    ALL,
    FEW,
    FEW_QUESTIONS,
    NONE,
    SHIPPED,
    Question,
    choose_questions,
    read_questions,
)

QUESTIONS = choose_questions(ALL)

KNOWN_ANSWERS = {
    "What is 2 + 2?": ["4", "Four.", "2 + 2 = 4", "The answer is 4.", "2 plus 2 equals **4**!"],
    "Name a color.": ["Blue", "My favourite is GREY.", "red."],
    "Tell me a joke.": ["Why did the chicken cross the road? To get to the other side!"],
    "What is the capital of France?": ["Paris", "The capital of France is Paris.", "PARIS!", "It's “París”"],
    "What is 10 times 10?": ["100", "One hundred", "10 times 10 is a hundred: 100"],
    "What is 6 times 7?": ["forty-two", "Forty two.", "6 x 7 = 42"],
    "How many days are in a week?": ["7", "There are seven days in one week.", "A week has 7 days, one of which…"],
    "Is the Earth flat? Answer yes or no.": ["No.", "no, it is not; yes, some say so"],
    "Spell the word cat letter by letter, with hyphens between.": ["C-A-T", "c-a-t.", "It is c - a - t"],
    "What is the opposite of left?": ["right", "The opposite of left is Right."],
    "What is the chemical formula of water?": ["H2O", "It's h2o."],
    "Count from 1 to 5.": ["1, 2, 3, 4, 5", "1 2 3 4 5", "1\n2\n3\n4\n5"],
    "List three animals, separated by commas.": ["cat, dog, horse", "Lions, tigers, and bears."],
    "What color is snow?": ["White.", "Snow is white, though it may look blue."],
}

KNOWN_MISTAKES = {
    "What is 2 + 2?": ["", "2", "22", "5", "5, not 4", "2 + 2", "14", "4.5", "-4", "fourteen"],
    "Name a color.": ["0", "A colourless one", "predators"],
    "Tell me a joke.": ["", "3", "ha ha ha ha ha ha ha ha", "0 0 0 0 0 0 0 0 0", "No.", "a} b} c} d} e} f} g}"],
    "What is the capital of France?": ["Parisian", "London", "I do not know", "Par is"],
    "How many days are in a week?": ["1 2 3 4 5 6 7", "Twenty-seven", "70"],
    "Is the Earth flat? Answer yes or no.": ["Yes.", "nothing", "yes and no", "0"],
    "Spell the word cat letter by letter, with hyphens between.": ["cat", "c-a-r-t", "The word cat"],
    "Count from 1 to 5.": ["5, 4, 3, 2, 1", "1", "1 to 5"],
    "What color is snow?": ["Blue-white", "snowy"],
    "List three animals, separated by commas.": ["cat, dog", "a, b, c, d", "1, 2, 3"],
}


def asked(text: str) -> Question:
    (found,) = [question for question in QUESTIONS if question.text == text]
    return found


@pytest.mark.parametrize("text", KNOWN_ANSWERS)
def test_right_answers_are_right_in_any_dress(text: str) -> None:
    for answer in KNOWN_ANSWERS[text]:
        for dressed in (answer, answer.lower(), answer.upper(), f"  {answer}\n"):
            assert asked(text).right(dressed), dressed


@pytest.mark.parametrize("text", KNOWN_MISTAKES)
def test_wrong_answers_are_wrong(text: str) -> None:
    for answer in KNOWN_MISTAKES[text]:
        assert not asked(text).right(answer), answer


@given(digit=st.sampled_from("0123"), times=st.integers(1, 20), between=st.sampled_from(["", " ", ", ", "\n", "="]))
def test_a_pilot_that_only_says_its_action_gets_nothing_right(digit: str, times: int, between: str) -> None:
    said = between.join([digit] * times)
    for dressed in (said, f"{said}.", f"Answer: {digit}"):
        assert not [question.text for question in QUESTIONS if question.right(dressed)]


@given(st.text(alphabet=string.digits + " .,-=\n", max_size=40))
def test_figures_alone_answer_only_what_asks_for_figures(said: str) -> None:
    right = {question.kind for question in QUESTIONS if question.right(said)}
    assert right <= {"arithmetic", "facts", "format"}


@given(st.text(max_size=60))
def test_any_text_at_all_is_judged(said: str) -> None:
    assert all(isinstance(question.right(said), bool) for question in QUESTIONS)


def test_repeating_the_question_answers_hardly_any() -> None:
    given_away = [question.kind for question in QUESTIONS if question.right(question.text)]
    assert set(given_away) <= {"yes or no", "format", "talk"}  # "Say hello to me."
    assert len(given_away) < len(QUESTIONS) / 6


def test_there_are_enough_of_every_kind_and_no_two_alike() -> None:
    assert len(QUESTIONS) >= 80
    assert len({question.text for question in QUESTIONS}) == len(QUESTIONS)
    assert min(Counter(question.kind for question in QUESTIONS).values()) >= 6
    assert [question.text for question in choose_questions(FEW)] == list(FEW_QUESTIONS)
    assert choose_questions(NONE) == ()


def in_words(value: int) -> str:
    """Write a number below a million in English, independently of what reads it."""
    small = (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
    tens = "- - twenty thirty forty fifty sixty seventy eighty ninety".split()
    if value < 20:
        return small[value]
    if value < 100:
        return tens[value // 10] + (f"-{small[value % 10]}" if value % 10 else "")
    if value < 1000:
        rest = f" and {in_words(value % 100)}" if value % 100 else ""
        return f"{small[value // 100]} hundred{rest}"
    rest = f" {in_words(value % 1000)}" if value % 1000 else ""
    return f"{in_words(value // 1000)} thousand{rest}"


@given(st.lists(st.integers(0, 999_999), min_size=1, max_size=4))
def test_numbers_are_read_in_figures_and_in_words(values: list[int]) -> None:
    assert numbers_in("; ".join(f"{value} cats" for value in values)) == values
    assert numbers_in("; ".join(f"{value:,}" for value in values)) == values
    lone_ones = values if all(value == 1 for value in values) else [value for value in values if value != 1]
    assert numbers_in("; ".join(f"{in_words(value)} cats" for value in values)) == lone_ones


@given(st.text(max_size=80))
def test_any_text_has_its_numbers(text: str) -> None:
    assert all(number == number for number in numbers_in(text))


LINE = '{"kind": "k", "question": "q?", "says": ["a"]}'

MALFORMED = {
    "no JSON": "what?",
    "no object": "[1]",
    "a kind that is no text": '{"kind": 3, "question": "q?", "says": ["a"]}',
    "no check": '{"kind": "k", "question": "q?"}',
    "an unknown check": '{"kind": "k", "question": "q?", "said": ["a"]}',
    "two checks": '{"kind": "k", "question": "q?", "says": ["a"], "number": 1}',
    "no words": '{"kind": "k", "question": "q?", "says": []}',
    "one word without a list": '{"kind": "k", "question": "q?", "says": "a"}',
    "punctuation only": '{"kind": "k", "question": "q?", "says": ["?"]}',
    "no number": '{"kind": "k", "question": "q?", "number": "4"}',
    "a truth as a number": '{"kind": "k", "question": "q?", "number": true}',
    "a choice of nothing": '{"kind": "k", "question": "q?", "choice": "yes", "of": ["no", "maybe"]}',
    "no regular expression": '{"kind": "k", "question": "q?", "pattern": "("}',
    "no count of words": '{"kind": "k", "question": "q?", "words": 0}',
    "cut short": LINE[:-9],
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_line_is_named_by_its_number(case: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f"{LINE}\n\n{MALFORMED[case]}\n")
    with pytest.raises(
        OntickError, match=r"^line 3 of .*mine\.jsonl is no question \(.*\); write one a line: "
    ) as caught:
        read_questions(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "says"), [(None, "give --questions all"), (b"\n", "no question"), (b"\xff", "text")]
)
def test_a_file_without_questions_is_said_so(content: bytes | None, says: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(OntickError, match=says):
        choose_questions(str(path))


def test_a_file_of_ones_own_is_asked_in_its_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f'{LINE}\n{{"kind": "k", "question": "two?", "number": 2}}\n')
    first, second = choose_questions(str(path))
    assert (first.text, second.text) == ("q?", "two?")
    assert first.right("A!")
    assert second.right("two")


def test_the_shipped_file_is_one_object_a_line() -> None:
    for line in SHIPPED.read_text().splitlines():
        assert json.dumps(json.loads(line)) == line


def test_questions_of_ones_own_replace_ours_or_are_added(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"question": "What do we build?", "answers": ["boats", "ships"]}\n')
    (own,) = choose_questions(str(file))
    assert (own.kind, own.text) == ("own", "What do we build?")
    assert own.right("Boats, mostly.")
    assert not own.right("Houses.")
    for ours in (ALL, FEW):
        assert [q.text for q in choose_questions(f"{ours}+{file}")] == [
            *(q.text for q in choose_questions(ours)),
            own.text,
        ]
    with pytest.raises(OntickError, match="cannot read"):
        choose_questions("all+nowhere.jsonl")
