"""A conversation is kept as far as there is room, and what is asked is answered or refused in a line."""

from __future__ import annotations

import threading
from collections.abc import Generator, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

import families
from ontick.controllers.talking import talking_model
from ontick.errors import OntickError
from ontick.models.base import Choice, Message, Piece, TalkingModel
from ontick.models.catalog import load_model
from ontick.models.gaps import Gaps
from ontick.models.hf.model import HuggingFace
from ontick.models.talk import LEAST_ROOM, Conversation, Ending

ROOM = 120


class Echo:
    """Says how many turns it was shown and the last one's words; a token a letter, and a context of `ROOM` letters."""

    def __init__(self) -> None:
        self.shown: list[list[Message]] = []

    def room(self, messages: Sequence[Message]) -> int:
        return ROOM - sum(len(message.content) for message in messages)

    def say(self, messages: Sequence[Message], max_tokens: int) -> Generator[Piece]:
        self.shown.append(list(messages))
        for letter in f"{len(messages)} {messages[-1].content}"[:max_tokens]:
            yield Piece(letter, ord(letter))
        yield Piece("", None)


def conversation(model: Echo, **options: object) -> Conversation:
    model_: TalkingModel = model  # pyright: ignore[reportAssignmentType]
    return Conversation(model_, **options)  # pyright: ignore[reportArgumentType]


def test_turns_are_kept() -> None:
    model = Echo()
    talk = conversation(model, system="be kind", max_tokens=20)
    heard: list[str] = []
    first = talk.ask(" how high? ", heard.append)
    assert (first.question, first.text, first.ending, first.tokens) == ("how high?", "2 how high?", Ending.DONE, 11)
    assert "".join(heard) == first.text
    assert talk.ask("and now?").text == "4 and now?"
    assert model.shown[-1] == [
        Message("system", "be kind"),
        Message("user", "how high?"),
        Message("assistant", "2 how high?"),
        Message("user", "and now?"),
    ]


def test_the_oldest_turns_are_left_out_where_there_is_no_room_and_that_is_said() -> None:
    model = Echo()
    talk = conversation(model, system="s", max_tokens=50)
    answers = [talk.ask(f"question {number}") for number in range(4)]
    assert [answer.forgotten for answer in answers] == [0, 0, 0, 1]
    assert model.shown[-1][0] == Message("system", "s")
    assert [message.content for message in model.shown[-1] if message.role == "user"] == [
        "question 1",
        "question 2",
        "question 3",
    ]


def test_a_long_question_gets_a_shorter_answer_and_one_that_is_too_long_none() -> None:
    talk = conversation(Echo())
    talk.ask("hello")
    answer = talk.ask("x" * (ROOM - LEAST_ROOM))
    assert (answer.tokens, answer.ending, answer.forgotten) == (LEAST_ROOM, Ending.CUT, 1)
    with pytest.raises(OntickError, match="shorter"):
        talk.ask("x" * (ROOM - LEAST_ROOM + 1))
    assert talk.ask("hello").text == "1 hello", "what was refused leaves nothing behind"


def test_an_answer_can_be_stopped_and_what_was_said_of_it_stays() -> None:
    model = Echo()
    talk = conversation(model)
    with pytest.raises(OntickError, match="write a question"):
        talk.ask("  ")

    said: list[str] = []

    def stop_after_three(piece: str) -> None:
        said.append(piece)
        if len(said) == 3:
            talk.stop()

    answer = talk.ask("a long story", stop_after_three)
    assert (answer.text, answer.ending) == ("1 a", Ending.STOPPED)
    assert not talk.is_answering
    talk.ask("go on")
    assert model.shown[-1] == [
        Message("user", "a long story"),
        Message("assistant", "1 a"),
        Message("user", "go on"),
    ]


def test_a_question_that_was_stopped_before_it_was_begun_is_not_read() -> None:
    model = Echo()
    talk, stopped = conversation(model), threading.Event()
    stopped.set()
    answer = talk.ask("never mind", stopped=stopped)
    assert (answer.text, answer.tokens, answer.ending) == ("", 0, Ending.STOPPED)
    talk.ask("hello")
    assert model.shown == [[Message("user", "hello")]]


def test_words_that_are_no_text_are_mended() -> None:
    assert conversation(Echo()).ask("a\udcffb").text == "1 a?b"


def test_no_room_for_a_question_is_said_at_once() -> None:
    with pytest.raises(OntickError, match="shorten them"):
        conversation(Echo(), system="x" * ROOM)


def test_no_answer_of_no_tokens() -> None:
    with pytest.raises(OntickError, match="1 or more"):
        conversation(Echo(), max_tokens=0)


def test_a_conversation_with_the_embedded_model_goes_on_where_it_was() -> None:
    model = load_model("smollm2")
    assert isinstance(model, TalkingModel)
    talk = Conversation(model, max_tokens=24)
    heard: list[str] = []
    answer = talk.ask("What is 2 + 2?", heard.append)
    written = model.complete([Message("user", "What is 2 + 2?")], 24)
    assert answer.text == written.text
    assert "".join(heard) == answer.text
    assert answer.ttft_ms is not None
    assert answer.as_json()["tokens"] == answer.tokens
    assert talk.ask("Thank you.").text
    assert talk.ask("Thank you.").forgotten == 0


@pytest.mark.parametrize("word", ["smollm2", "transformers"])
def test_a_decision_comes_between_any_two_steps_of_an_answer_and_neither_changes(
    word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model: Any = load_model(word) if word == "smollm2" else HuggingFace(str(families.folder_of("qwen3")))
    decide = partial(model.choose, [Message("user", "5 5")], ("0", "1"))
    decide()
    alone = decide()  # as all later ones: of the prompt's tokens only the last is read again
    asked = [Message("user", "What is 2 + 2?")]
    written = "".join(piece.text for piece in model.say(asked, 3))

    decided: list[Choice] = []
    let_go = Gaps._let_go  # pyright: ignore[reportPrivateUsage]

    def let_go_and_decide(gaps: Gaps, kind: Hashable, taken_at: float) -> None:
        let_go(gaps, kind, taken_at)
        decided.append(others.submit(decide).result())

    monkeypatch.setattr(Gaps, "_let_go", let_go_and_decide)
    monkeypatch.setattr("ontick.models.gaps.SHARE", 1.0)
    with ThreadPoolExecutor(1) as others:
        assert "".join(piece.text for piece in model.say(asked, 3)) == written
    assert {choice.logprobs for choice in decided} == {alone.logprobs}
    assert len(decided) >= 3 * 2, "an answer of three tokens has several steps a token"


@pytest.mark.parametrize("controller", [object(), None])
def test_who_is_no_language_model_cannot_talk(controller: object) -> None:
    with pytest.raises(OntickError, match="teacher is no language model"):
        talking_model("teacher", controller)
