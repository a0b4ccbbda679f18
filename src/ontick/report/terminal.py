"""How does the program speak on a terminal? Progress on stderr, results on stdout, a mistake in one line."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ontick.evaluation.episodes import Progress as Report

stdout = Console()
stderr = Console(stderr=True)


@contextmanager
def progress_bar(what: str) -> Generator[Report]:
    """Show a bar with the time left on stderr while open; nothing where stderr is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[last]}"),
    )
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
        task = bar.add_task(what, total=None, last="")

        def report(done: int, total: int, last: str) -> None:
            bar.update(task, completed=done, total=total, last=last)

        yield report


def say_error(message: str) -> None:
    """Write a mistake on stderr, in one line."""
    text = " ".join(message.split())
    stderr.print(f"ontick: {text}", style="red", markup=False, highlight=False, soft_wrap=True)


def without_box(boxed: str) -> str:
    """Turn the box that tyro draws around a usage error into a line that says what to run."""
    lines = [re.sub(r"[╭╮╰╯│─┌┐└┘|]+", " ", line) for line in boxed.splitlines()]
    said: list[str] = []
    rule_seen = False
    for drawn, line in zip(boxed.splitlines()[1:], lines[1:], strict=False):
        rule_seen = rule_seen or "───" in drawn
        if not rule_seen:
            said.append(line)
    help_command = re.search(r"ontick(?: \w+)? --help", boxed)
    problem = re.sub(r"\s+", " ", " ".join(said)).strip().rstrip(" .")
    return f"{problem}; see: {help_command[0] if help_command else 'ontick --help'}"
