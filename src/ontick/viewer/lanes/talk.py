"""How does a lane's model answer what a page asks? In a thread beside the flight; what it says is told as it grows."""

from __future__ import annotations

import threading
import time
from queue import SimpleQueue
from typing import NamedTuple

from ontick.controllers.talking import talking_model
from ontick.errors import OntickError, blame
from ontick.models.base import TalkingModel
from ontick.models.talk import Answer, Conversation
from ontick.records import Json
from ontick.viewer.lanes.orders import Ask
from ontick.viewer.lanes.told import Told

TOLD_EVERY_S = 0.1
"""As often as a growing answer is told: as fast as it is read."""


class _Open(NamedTuple):
    """A conversation, and with which model."""

    model: TalkingModel
    conversation: Conversation


class _Asked(NamedTuple):
    """A question, and what ends it, whether it waits or is being answered."""

    order: Ask
    stopped: threading.Event


class Talk:
    """What a lane is asked, one question after the other; from any thread."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._open: _Open | None = None
        self._asked: SimpleQueue[_Asked] = SimpleQueue()
        self._stopped = threading.Event()
        """Of all that is asked until it is set."""
        threading.Thread(target=self._run, name="talk", daemon=True).start()

    def begin(self, word: str, controller: object) -> Json | None:
        """Let a controller be asked; return what a page must know of it, None where it cannot talk.

        A model that was asked before goes on with the same conversation.
        """
        try:
            model = talking_model(word, controller)
            if self._open is None or self._open.model is not model:
                self._open = _Open(model, Conversation(model))
        except OntickError:
            self._open = None
            return None
        return {"model": model.info.name}

    @property
    def is_answering(self) -> bool:
        """Whether an answer is under way."""
        return self._open is not None and self._open.conversation.is_answering

    def ask(self, order: Ask) -> None:
        """Have a question answered after those that wait."""
        self._asked.put(_Asked(order, self._stopped))

    def stop(self) -> None:
        """End the answer that is under way, and those that wait."""
        asked_so_far, self._stopped = self._stopped, threading.Event()
        asked_so_far.set()

    def _run(self) -> None:
        while True:
            order, stopped = self._asked.get()
            try:
                self._answer(order, stopped)
            except OntickError as error:
                self._tell(order.number, state="failed", note=str(error))
            except Exception as error:
                self._tell(order.number, state="failed", note=blame(error))

    def _answer(self, order: Ask, stopped: threading.Event) -> None:
        if stopped.is_set():
            self._tell(order.number, state="stopped")
            return
        if self._open is None:
            raise OntickError("nobody is here who could answer; fly a language model")
        said: list[str] = []
        told_at = 0.0

        def hear(piece: str) -> None:
            nonlocal told_at
            said.append(piece)
            now = time.monotonic()
            if now - told_at >= TOLD_EVERY_S:
                told_at = now
                self._tell(order.number, state="writing", text="".join(said))

        self._tell(order.number, state="reading")
        answer = self._open.conversation.ask(order.text, hear, stopped)
        self._tell(order.number, state=answer.ending, text=answer.text, note=_note(answer), **_speed(answer))

    def _tell(self, number: int, **what: object) -> None:
        self._told.event("talk", number=number, news=what)


def _note(answer: Answer) -> str | None:
    """Return what is to be said of an answer's context, in a line."""
    if not answer.forgotten:
        return None
    turns = "The oldest question was" if answer.forgotten == 1 else f"The {answer.forgotten} oldest questions were"
    return f"{turns} left out of what it remembers, for room."


def _speed(answer: Answer) -> Json:
    speed = answer.tokens_per_s
    return {"tokens": answer.tokens, "tokens_per_s": None if speed is None else round(speed, 1)}
