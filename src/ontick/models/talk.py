"""How is a model talked with, turn after turn, while it decides? What was said is kept, as far as there is room."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from ontick.errors import OntickError
from ontick.models.base import Message, TalkingModel
from ontick.records import Json

ANSWER_TOKENS = 200
"""The longest answer, unless another is asked for."""

LEAST_ROOM = 16
"""Tokens that must be left for an answer."""

Hear: TypeAlias = Callable[[str], None]
"""Called with every piece of an answer, in the thread of whoever asked."""


class Ending(StrEnum):
    """Why an answer goes no further."""

    DONE = "done"
    CUT = "cut"
    """It had as many tokens as it may have."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to a question."""

    question: str
    text: str
    ending: Ending
    tokens: int
    ttft_ms: float | None
    """From the question to the first token; None: there was none."""
    elapsed_ms: float
    """From the question to the end."""
    forgotten: int
    """How many of the oldest questions, with their answers, were left out to make room for this one."""

    @property
    def tokens_per_s(self) -> float | None:
        """How fast it was written, from the first token to the end; None of fewer than two."""
        if self.ttft_ms is None or self.tokens < 2:
            return None
        return (self.tokens - 1) / max(1e-9, (self.elapsed_ms - self.ttft_ms) / 1e3)

    def as_json(self) -> Json:
        """Return what results and records say of it."""
        speed = self.tokens_per_s
        return {
            "question": self.question,
            "answer": self.text,
            "ending": self.ending,
            "tokens": self.tokens,
            "ttft_ms": None if self.ttft_ms is None else round(self.ttft_ms, 3),
            "elapsed_ms": round(self.elapsed_ms, 3),
            "tokens_per_s": None if speed is None else round(speed, 3),
            "forgotten": self.forgotten,
        }


class Conversation:
    """Questions to a model and what it said; several threads may ask, and stop what they asked.

    ``system`` is said to it first; None: what its template says by itself.
    """

    def __init__(self, model: TalkingModel, system: str | None = None, max_tokens: int = ANSWER_TOKENS) -> None:
        """Begin a conversation.

        Raises:
            OntickError: ``max_tokens`` is no length, or ``system`` leaves no room for a question.
        """
        check_answer_tokens(max_tokens)
        self._model = model
        self._opening = [] if system is None else [Message("system", _clean(system))]
        if model.room([*self._opening, Message("user", "?")]) < LEAST_ROOM:
            raise OntickError("the words that are said to the model first leave no room for a question; shorten them")
        self._turns: list[Message] = []
        self._max_tokens = max_tokens
        self._one_question = threading.Lock()
        self._stopped = threading.Event()
        """Of the question that was begun last."""
        self.is_answering = False
        """Whether a question or its answer is under way."""

    def ask(self, question: str, hear: Hear = lambda piece: None, stopped: threading.Event | None = None) -> Answer:
        """Return the answer, once it has been written; a question that is asked meanwhile waits.

        Args:
            question: what is asked.
            hear: is told every piece of the answer.
            stopped: whoever sets it ends the answer, also before it is begun; `stop` can only end what is.

        Raises:
            OntickError: it says nothing, or is too long.
        """
        question = _clean(question)
        if not question:
            raise OntickError("that asks nothing; write a question")
        with self._one_question:
            self._stopped = threading.Event() if stopped is None else stopped
            self.is_answering = True
            try:
                return self._answer(question, hear, self._stopped)
            finally:
                self.is_answering = False

    def stop(self) -> None:
        """Have the answer that is being written end; what was said of it stays."""
        self._stopped.set()

    def _answer(self, question: str, hear: Hear, stopped: threading.Event) -> Answer:
        if stopped.is_set():
            return Answer(question, "", Ending.STOPPED, 0, None, 0.0, 0)
        start = time.perf_counter()
        asked, room, forgotten = self._with_room(Message("user", question))
        said: list[str] = []
        tokens, ttft_ms = 0, None
        with closing(self._model.say(asked, min(self._max_tokens, room))) as pieces:
            for piece in pieces:
                ttft_ms = ttft_ms or (time.perf_counter() - start) * 1e3
                tokens += piece.token is not None
                said.append(piece.text)
                if piece.text:
                    hear(piece.text)
                if stopped.is_set():
                    break
        elapsed_ms = (time.perf_counter() - start) * 1e3
        text = "".join(said)
        if text:
            self._turns += [asked[-1], Message("assistant", text)]
        whole = Ending.CUT if tokens >= min(self._max_tokens, room) else Ending.DONE
        ending = Ending.STOPPED if stopped.is_set() else whole
        return Answer(question, text, ending, tokens, ttft_ms, elapsed_ms, forgotten)

    def _with_room(self, question: Message) -> tuple[list[Message], int, int]:
        """Return what is asked, without the oldest turns if need be; the room for an answer; how many were left out."""
        alone = self._model.room([*self._opening, question])
        if alone < LEAST_ROOM:
            raise OntickError("that is longer than the model can read at once; ask something shorter")
        wanted, forgotten = min(self._max_tokens, max(LEAST_ROOM, alone // 2)), 0
        while (room := self._model.room([*self._opening, *self._turns, question])) < wanted:
            del self._turns[:2]
            forgotten += 1
        return [*self._opening, *self._turns, question], room, forgotten


def check_answer_tokens(max_tokens: int) -> None:
    """Refuse a length of answers that means nothing.

    Raises:
        OntickError: it is below one.
    """
    if max_tokens < 1:
        raise OntickError(f"an answer of {max_tokens} tokens says nothing; give 1 or more")


def _clean(text: str) -> str:
    """Return ``text`` without blanks around it, and with nothing that is no Unicode text."""
    return text.encode(errors="replace").decode().strip()
