"""How does the program speak on a terminal? Progress on stderr, results on stdout, a mistake in one line."""

from __future__ import annotations

import itertools
import logging
import re
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ontick.evaluation.episodes import Progress as Report

stdout = Console()
stderr = Console(stderr=True)


@contextmanager
def progress_bar(what: str) -> Generator[Report]:
    """Show a bar with the time left on stderr while open; nothing where stderr is no terminal."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[last]}", style="dim", markup=False),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=None, last="")

        def report(done: int, total: int, last: str) -> None:
            bar.update(task, completed=done, total=total, last=last)

        yield report


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
