"""Where does someone sit who talks with a pilot? At a terminal that shows the flight too, or behind a pipe."""

from __future__ import annotations

import sys
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from queue import SimpleQueue

from rich.console import RenderableType
from rich.live import Live

from ontick.models.talk import Answer, Conversation
from ontick.report.talk_screen import TalkScreen, answer_said, question_said
from ontick.report.terminal import REFRESHES_S, say, say_error, stdout
from ontick.report.typing import ESCAPE, TypedLine, keys_at_once, lines, typed


class Pipe:
    """Each line of stdin is a question; answers are printed as they end, unless they are ``silent``."""

    def __init__(self, *, silent: bool) -> None:
        self._silent = silent

    def questions(self) -> Iterable[str]:
        """Yield the lines of stdin."""
        return lines(sys.stdin.fileno())

    def begin(self, question: str) -> None:
        """Say nothing before there is an answer."""

    def hear(self, piece: str) -> None:
        """Wait for the whole."""

    def end(self, answer: Answer) -> None:
        """Print a question and its answer."""
        if not self._silent:
            say(question_said(answer.question))
            say(answer_said(answer))

    def refuse(self, question: str, why: str) -> None:
        """Say on stderr why there is none."""
        say_error(f"{question[:40]!r}: {why}")


class Screen:
    """A terminal: questions are typed below the flight, and wait while another is answered."""

    def __init__(self, conversation: Conversation, flight: RenderableType | None) -> None:
        self._conversation = conversation
        self._line = TypedLine()
        self._screen = TalkScreen(flight, self._line)
        self._asked: SimpleQueue[str | None] = SimpleQueue()

    @contextmanager
    def open(self) -> Generator[None]:
        """Show it, and listen to the keys, while open."""
        descriptor = sys.stdin.fileno()
        with (
            keys_at_once(descriptor),
            Live(self._screen, console=stdout, transient=True, refresh_per_second=REFRESHES_S),
        ):
            threading.Thread(target=self._listen, args=(descriptor,), name="keys", daemon=True).start()
            yield

    def _listen(self, descriptor: int) -> None:
        for line in typed(descriptor, self._line):
            if line == ESCAPE:
                self._conversation.stop()
            elif line.strip():
                self._screen.waiting.append(line)
                self._asked.put(line)
        self._asked.put(None)

    def questions(self) -> Iterable[str]:
        """Yield what is typed."""
        return iter(self._asked.get, None)

    def begin(self, question: str) -> None:
        """Move the question up, to stay."""
        self._screen.waiting.pop(0)
        stdout.print(question_said(question))

    def hear(self, piece: str) -> None:
        """Show the answer as it grows."""
        self._screen.hear(piece)

    def end(self, answer: Answer) -> None:
        """Move the answer up, to stay."""
        self._screen.clear()
        stdout.print(answer_said(answer))

    def refuse(self, question: str, why: str) -> None:
        """Say why there is none."""
        self._screen.clear()
        say_error(why)
