"""How does the program speak on a terminal? Progress on stderr, results on stdout, a mistake in one line."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Generator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

stdout = Console()
stderr = Console(stderr=True)

REFRESHES_S = 10
"""How often in a second what moves is painted, by a thread of its own."""

_COUNTED = 999
"""Up to so many things are counted, more are told as a share."""


class Bar:
    """How far work is: call it with how many of how many are done, and what was done last.

    Until then it moves to and fro, which says that something goes on. A line may be put below it.
    """

    def __init__(self, what: str, *, is_seen: bool) -> None:
        self.is_seen = is_seen
        """Whether there is a terminal to see it on."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _HowFar(),
            _TimeLeft(),
            TextColumn("{task.fields[last]}", style="dim", markup=False),
        )
        self._bar = Progress(*columns, console=stderr, auto_refresh=False)
        self._task = self._bar.add_task(what, total=None, last="", ends_at=None)
        self._below: list[RenderableType] = []
        self._reckoned_from = (monotonic(), 0)
        """A moment, and how many were done by then: what came since says how long the rest takes."""
        self._has_begun = False

    def __call__(self, done: int, total: int, last: str) -> None:
        """Move on; the first call may be without a word, where nothing has been done but what was there before."""
        now = monotonic()
        then, done_then = self._reckoned_from
        ends_at = None
        if done > done_then and (self._has_begun or last):
            ends_at = now + (now - then) * (total - done) / (done - done_then)
        if not self._has_begun:  # what was before may have been other work, such as loading a model
            self._reckoned_from, self._has_begun = (now, done), True
        self._bar.update(self._task, completed=done, total=total, last=last, ends_at=ends_at)

    def put_below(self, line: RenderableType) -> None:
        """Show a line below the bar from now on."""
        self._below.append(line)

    def __rich__(self) -> RenderableType:
        return Group(self._bar, *self._below)


class _HowFar(ProgressColumn):
    """Shows a few things one by one, and many as a share."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text()
        many = task.total > _COUNTED
        said = f"{task.completed / task.total:.0%}" if many else f"{task.completed:g}/{task.total:g}"
        return Text(said, style="progress.download")


class _TimeLeft(ProgressColumn):
    """Shows the time left, which goes down between two steps too; the time spent where it is not known."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        ends_at: float | None = task.fields["ends_at"]
        if ends_at is None:
            return Text(_clock(task.elapsed or 0.0), style="progress.elapsed")
        return Text(f"{_clock(max(0.0, ends_at - monotonic()))} left", style="progress.remaining")


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@contextmanager
def progress_bar(what: str) -> Generator[Bar]:
    """Show a bar with the time left on stderr while open; nothing where stderr is no terminal."""
    bar = Bar(what, is_seen=stderr.is_terminal and not stderr.is_dumb_terminal)
    if not bar.is_seen:
        yield bar
        return
    beside = stdout.is_terminal  # else what is printed meanwhile would go to stderr too
    with Live(bar, console=stderr, transient=True, refresh_per_second=REFRESHES_S, redirect_stdout=beside):
        yield bar


def say(part: RenderableType) -> None:
    """Write a result on stdout; plain text as it is, unbroken, so that a path in it can be copied."""
    if isinstance(part, str):
        stdout.print(part, markup=False, highlight=False, soft_wrap=True)
    else:
        stdout.print(part)


def say_error(message: str) -> None:
    """Write a mistake on stderr, in one line."""
    text = " ".join(message.split())
    stderr.print(f"ontick: {text}", style="red", markup=False, highlight=False, soft_wrap=True)


def say_warning(message: str) -> None:
    """Write on stderr, in one line, what one should know and need not mend."""
    stderr.print(f"ontick: {message}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def say_step(message: str) -> None:
    """Write on stderr, in one line, what is being done now, where one command does many things."""
    stderr.print(message, style="dim", markup=False, highlight=False, soft_wrap=True)


def say_what_takes_long() -> None:
    """Let the program's own log, which tells what happens once and takes long, be read on stderr."""
    log = logging.getLogger("ontick")
    log.setLevel(logging.INFO)
    log.handlers = [_OnStderr()]
    log.propagate = False


class _OnStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        stderr.print(f"ontick: {record.getMessage()}", style="dim", markup=False, highlight=False, soft_wrap=True)


def without_box(boxed: str) -> str:
    """Take what tyro says of a usage error out of the box that it draws around it."""
    said = itertools.takewhile(lambda line: "───" not in line, boxed.splitlines()[1:])
    return re.sub(r"[│\s]+", " ", " ".join(said)).strip(" .")
