"""What is mixed in and what is measured stay apart: no general prompt asks a shipped question or is in the prose."""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import ontick.evaluation
import ontick.learning.sft
from ontick.evaluation.questions import ALL, choose_questions, said_words

PROMPTS = Path(ontick.learning.sft.__file__).with_name("general.jsonl")
PROSE = Path(ontick.evaluation.__file__).with_name("prose.txt")

NEARLY = 0.75

LINES = PROMPTS.read_text(encoding="utf-8").splitlines()
PARAGRAPHS = PROSE.read_text(encoding="utf-8").strip().split("\n\n")


def prompts() -> list[str]:
    return [json.loads(line)["messages"][0]["content"] for line in LINES]


def likeness(one: str, other: str) -> float:
    """Of the words of both texts, how many are in each?"""
    ones, others = set(said_words(one)), set(said_words(other))
    return len(ones & others) / len(ones | others)


def test_there_are_as_many_prompts_as_are_mixed_in() -> None:
    assert len(LINES) == 920


def test_every_line_is_one_turn_of_a_user_that_says_something() -> None:
    for line in LINES:
        chat: dict[str, Any] = json.loads(line)
        assert set(chat) == {"messages"}, line
        (turn,) = chat["messages"]
        assert set(turn) == {"role", "content"}, line
        assert turn["role"] == "user", line
        assert said_words(turn["content"]), line
        assert turn["content"] == turn["content"].strip(), line


def test_no_prompt_is_there_twice() -> None:
    said = [tuple(said_words(prompt)) for prompt in prompts()]
    assert len(set(said)) == len(said)


def test_no_prompt_is_a_shipped_question_or_nearly_one() -> None:
    near = [
        (question.text, prompt)
        for question in choose_questions(ALL)
        for prompt in prompts()
        if question.text == prompt or likeness(question.text, prompt) >= NEARLY
    ]
    assert not near


def test_no_prompt_is_in_the_prose_and_no_question_either() -> None:
    prose = f" {' '.join(said_words(' '.join(PARAGRAPHS)))} "
    asked = [*prompts(), *(question.text for question in choose_questions(ALL))]
    assert not [text for text in asked if f" {' '.join(said_words(text))} " in prose]


def test_the_prose_is_24_paragraphs_of_a_line_each() -> None:
    assert len(PARAGRAPHS) == 24
    assert len(set(PARAGRAPHS)) == 24
    for paragraph in PARAGRAPHS:
        assert "\n" not in paragraph
        assert 70 <= len(paragraph.split()) <= 100


def test_the_prose_is_plain_letters_digits_and_simple_punctuation() -> None:
    assert set("".join(PARAGRAPHS)) <= set(string.ascii_letters + string.digits + " .,;:!?'\"()-")
