"""What does a report tell of a run, whichever verb left it? What came of it, how it was made, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from ontick.errors import OntickError
from ontick.report.document.account import FROZEN, Account
from ontick.report.document.commands import command_of
from ontick.report.document.flight_chapters import tell_comparison, tell_flights, tell_verdict
from ontick.report.document.flown import Flown
from ontick.report.document.parts import Chapter, Command, Document, Part, Section
from ontick.report.document.pictures import drawings
from ontick.report.document.pieces import Told, flown_of
from ontick.report.document.run_tables import machine_table, side_by_side_table
from ontick.report.document.story_chapters import tell_curve, tell_demo, tell_probe

_TELLERS: dict[str, Callable[[Account, str], Told]] = {
    "verdict": tell_verdict,
    "compare": tell_comparison,
    "cliff": tell_curve,
    "demo": tell_demo,
    "probe": tell_probe,
}
"""Every other verb's runs are told as flights."""


def document_of(accounts: Sequence[Account]) -> Document:
    """Return the report of runs, of which there is at least one.

    Raises:
        OntickError: a record does not say what such a run's record says.
    """
    if len(accounts) == 1:
        chapter = _guarded(accounts[0], "")
        return Document(chapter.title, (chapter,))
    chapters = tuple(_guarded(account, f"{number}-") for number, account in enumerate(accounts, 1))
    flown = [row for number, account in enumerate(accounts, 1) for row in _labelled(account, f"run {number}")]
    parts: list[Part] = [side_by_side_table(flown)] if flown else []
    for task in dict.fromkeys(row.asked.get("task") for row in flown):
        parts += drawings(
            [row for row in flown if row.asked.get("task") == task and FROZEN not in row.label], f"all-{task}-"
        )
    return Document(f"{len(accounts)} runs side by side", chapters, tuple(parts))


def _guarded(account: Account, prefix: str) -> Chapter:
    try:
        return _chapter(account, prefix)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        what = f"{type(error).__name__}: {error}"
        raise OntickError(
            f"the record in {account.folder} is not as this version writes it ({what}); restore it from a copy"
        ) from error


def _chapter(account: Account, prefix: str) -> Chapter:
    told = _TELLERS.get(account.verb, tell_flights)(account, prefix)
    sections = [Section(name, tuple(parts)) for name, parts in told.sections if parts]
    return Chapter(
        title=told.title,
        folder=account.folder.resolve().name,
        when=_when(str(account.recorded.run.get("started_utc", ""))),
        headline=told.headline,
        figures=tuple(told.figures),
        notes=tuple(account.notes()),
        sections=(*sections, Section("How it was made", tuple(_made(account)))),
    )


def _when(started_utc: str) -> str:
    """Return a moment as people write it; as it is where it is none."""
    try:
        moment = datetime.fromisoformat(started_utc)
    except ValueError:
        return started_utc
    return f"{moment.day} {moment:%B %Y, %H:%M} UTC"


def _made(account: Account) -> Iterator[Part]:
    command = command_of(account.asked, account.task)
    if command is not None:
        yield Command(command)
    yield machine_table(account.recorded.run)


def _labelled(account: Account, run: str) -> Iterator[Flown]:
    """Yield what a run holds of flights, named after it among other runs."""
    for leaf in account.leaves():
        yield flown_of(leaf, run if leaf is account else f"{run}, {leaf.label}")
