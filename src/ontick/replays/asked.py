"""What was a language model asked at a decision? Rebuilt from what the run asked for, by the renderer that asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ontick.controllers.pilot import is_pilot_word
from ontick.errors import OntickError
from ontick.models.catalog import is_model_word
from ontick.prompts import Prompt, PromptStyle
from ontick.records import AnswerRecord, State, Tick
from ontick.tasks.base import Task

Words: TypeAlias = Callable[[AnswerRecord], str | None]
"""The words in which an answer's state was given; None where they cannot be rebuilt."""


def words_of(task: Task | None, asked: Mapping[str, Any], ticks: Sequence[Tick]) -> Words:
    """Return what tells the words behind each answer of a flight.

    Only a language model was given words, and those that tell of pending actions cannot be rebuilt from a record.
    Without the ``task`` there are none.
    """
    prompt = None if task is None else _prompt(task, asked)

    def words(answer: AnswerRecord) -> str | None:
        if prompt is None or answer.text is None:
            return None
        state: State | Sequence[float] | None = answer.foreseen
        if state is None and 0 <= answer.observation_tick < len(ticks):
            state = ticks[answer.observation_tick].observation
        try:
            return None if state is None else prompt.describe(state)
        except (ValueError, OverflowError, IndexError):
            return None  # there are no words for what is no number

    return words


def _prompt(task: Task, asked: Mapping[str, Any]) -> Prompt | None:
    try:
        word = str(asked["controller"])
        if not (is_model_word(word) or is_pilot_word(word)):
            return None
        style = PromptStyle.from_json(asked["asking"]["prompt"])
        return None if style.pending else Prompt(task, style, int(asked["asking"]["chunk"]))
    except (KeyError, TypeError, ValueError, OntickError):
        return None
