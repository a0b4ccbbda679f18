"""How does a conversation look in a terminal while a flight goes on? The answer as it grows, the flight, what is typed.

What is finished moves up into the terminal's own memory; below it three things stay, painted ten times a second.
"""

from __future__ import annotations

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from ontick.models.talk import Answer, Ending
from ontick.report.typing import TypedLine

_PROMPT = "> "
_CURSOR = "▌"


class TalkScreen:
    """The part of the terminal that moves; ``flight`` is a line about it, None without one."""

    def __init__(self, flight: RenderableType | None, line: TypedLine) -> None:
        self._flight = flight
        self._line = line
        self._answer = ""
        self.waiting: list[str] = []
        """Questions that are to be asked yet, in order."""

    def hear(self, piece: str) -> None:
        """Take in a piece of an answer."""
        self._answer += piece

    def clear(self) -> None:
        """The answer is over."""
        self._answer = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the answer so far, the flight, and the line that is typed."""
        room = max(1, options.max_width * max(3, console.height - 6))
        if self._answer:
            yield Text(self._answer[-room:])
        for question in tuple(self.waiting):
            yield Text(f"{_PROMPT}{question}", style="dim", no_wrap=True, overflow="ellipsis")
        if self._flight is not None:
            yield self._flight
            yield Segment.line()
        cursor = "_" if options.ascii_only else _CURSOR
        shown = self._line.text[-max(1, options.max_width - len(_PROMPT) - 1) :]
        yield Text.assemble((_PROMPT, "bold"), shown, (cursor, "dim"), no_wrap=True)


def question_said(question: str) -> Text:
    """Return a question as it stays to be read."""
    return Text(f"{_PROMPT}{question}", style="bold")


def answer_said(answer: Answer) -> Text:
    """Return an answer as it stays to be read, with what there is to know of it."""
    return Text.assemble(answer.text or "(nothing)", ("\n" + facts(answer), "dim"))


def facts(answer: Answer) -> str:
    """Say how an answer was written, in a line."""
    said = [f"{answer.tokens} {'token' if answer.tokens == 1 else 'tokens'}"]
    if answer.tokens_per_s is not None:
        said.append(f"{answer.tokens_per_s:.0f} a second")
    if answer.ending is Ending.CUT:
        said.append("cut: --max-tokens allows more")
    if answer.ending is Ending.STOPPED:
        said.append("stopped")
    if answer.forgotten:
        turns = "the oldest question" if answer.forgotten == 1 else f"the {answer.forgotten} oldest questions"
        said.append(f"{turns} left out of what it remembers, for room")
    return ", ".join(said)
