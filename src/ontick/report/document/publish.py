"""How does a report reach the disk? Whole or not at all: made in a folder beside its place, then put there at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.records import Json
from ontick.report.document.account import read_account
from ontick.report.document.chapters import document_of
from ontick.report.document.html_page import html_of
from ontick.report.document.markdown import PLOTS, markdown_of
from ontick.report.document.parts import Document, Drawing, Fold, Part
from ontick.report.plots import save

PAGE, TEXT = "report.html", "report.md"
"""The names of a report's files."""


def publish(folders: Sequence[Path], to: Path, task_module: str | None = None, progress: Progress = silent) -> Json:
    """Make the report of runs in the folder ``to`` and return the object that ``report --json`` prints.

    A report that is there already is replaced. ``task_module`` is where tasks of one's own are.

    Raises:
        OntickError: a folder is no run, a record is damaged beyond what can be named, or ``to`` cannot be written.
    """
    _check_place(to)
    accounts = [read_account(folder, task_module) for folder in folders]
    document = document_of(accounts)
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as beside:
            made = Path(beside) / "made"
            left_out = _make(document, made, progress)
            _put(made, to, Path(beside) / "old")
    except OSError as error:
        raise OntickError(f"cannot write {to} ({error.strerror}); choose another place with --to DIR") from error
    notes = [
        note if len(accounts) == 1 else f"run {number}: {note}"
        for number, account in enumerate(accounts, 1)
        for note in account.notes()
    ]
    return {
        "html": str(to / PAGE),
        "markdown": str(to / TEXT),
        "plots": [str(to / PLOTS / file.name) for file in sorted((to / PLOTS).iterdir())],
        "runs": [str(folder) for folder in folders],
        "notes": [*notes, *left_out],
    }


def _make(document: Document, made: Path, progress: Progress) -> Sequence[str]:
    """Write every file of a report; return what was left out."""
    plots = made / PLOTS
    plots.mkdir(parents=True)
    drawings = list(
        _drawings([*document.side_by_side, *(p for c in document.chapters for s in c.sections for p in s.parts)])
    )
    for done, drawing in enumerate(drawings, 1):
        figure = drawing.draw()
        for ending in ("svg", "png"):
            save(figure, plots / f"{drawing.name}.{ending}")
            figure.set_layout_engine("none")  # laid out once, for both
        progress(done, len(drawings) + 1, drawing.title)
    page, left_out = html_of(document, plots)
    (made / PAGE).write_text(page, encoding="utf-8")
    (made / TEXT).write_text(markdown_of(document), encoding="utf-8")
    progress(len(drawings) + 1, len(drawings) + 1, PAGE)
    return left_out


def _drawings(parts: Sequence[Part]) -> Iterator[Drawing]:
    for part in parts:
        if isinstance(part, Drawing):
            yield part
        elif isinstance(part, Fold):
            yield from _drawings(part.parts)


def _check_place(to: Path) -> None:
    """Refuse to put a report where something else is."""
    if to.exists() and not to.is_dir():
        raise OntickError(f"{to} is a file; choose a new folder with --to DIR")
    if to.is_dir() and any(to.iterdir()) and not (to / PAGE).is_file():
        raise OntickError(f"{to} holds something else than a report; choose a new folder with --to DIR")


def _put(made: Path, to: Path, old: Path) -> None:
    """Put a folder in its place; an older report there is kept until then."""
    if to.exists():
        to.rename(old)
    try:
        made.rename(to)
    except OSError:
        if old.exists():
            old.rename(to)
        raise
    if old.exists():
        shutil.rmtree(old, ignore_errors=True)
