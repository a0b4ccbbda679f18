"""How are rows made? Each command as a process of its own, and only what is not there already.

A row that was killed goes on: commands that came to their end are not given again, and those that train go on from
their last checkpoint. A row that fails is told of, and those that do not build upon it are made all the same.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from ontick.alone import alone_in
from ontick.cache import write_json
from ontick.errors import OntickError
from ontick.provenance import provenance
from ontick.records import Json
from ontick.reproduction.commands import Commands
from ontick.reproduction.ledger import Ledger, Status
from ontick.reproduction.machine import cannot_be_made, free_memory_mb
from ontick.reproduction.row import Found, Row, chosen
from ontick.reproduction.side_by_side import side_by_side

Tell = Callable[[str], None]
"""Is told, in a line, what is being made."""

PRINTED = "printed-{}.json"
"""In a row's folder: what its commands printed, counted from 1."""


@dataclass(frozen=True)
class Order:
    """What is to be made."""

    rows: tuple[Row, ...]
    """All of the recipe's."""
    to: Path
    """The recipe's folder."""
    only: tuple[str, ...] = ()
    """Names of the rows to make, with those that they build upon; none: all."""
    again: bool = False
    """Make the rows that are named once more; what is there of them is set aside."""
    jobs: int = 1
    """How many are made at once; fewer than 1 raises `OntickError`."""

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise OntickError(f"--jobs {self.jobs} makes nothing; give 1 or more")


@dataclass
class Outcome:
    """What was done."""

    made: list[str] = field(default_factory=list[str])
    skipped: list[str] = field(default_factory=list[str])
    """They were there already."""
    failed: dict[str, str] = field(default_factory=dict[str, str])
    """Why, for each."""
    set_aside: list[str] = field(default_factory=list[str])
    """Folders of what had been made with other settings."""


def reproduce(order: Order, tell: Tell = lambda line: None) -> Outcome:
    """Make the rows that are missing.

    Raises:
        OntickError: a name is none of a row's, this machine cannot make one of those asked for, another process
            makes rows there, or the folder cannot be written. Nothing is made then.
        KeyboardInterrupt: the user pressed Ctrl-C; the same call goes on from there.
    """
    rows = chosen(order.rows, order.only)
    ledger, outcome = Ledger(order.to.expanduser(), order.rows), Outcome()
    again = set(order.only) if order.again else set[str]()
    missing = [row for row in rows if ledger.status(row) is not Status.DONE or row.name in again]
    _check_machine(missing, order)
    for row in rows:
        if row not in missing:
            outcome.skipped.append(row.name)
    commands = Commands(ledger.folder, order.jobs)

    def make(row: Row) -> None:
        broken = [name for name in row.after if name in outcome.failed]
        if broken:
            outcome.failed[row.name] = f"it comes after {broken[0]}"
            return
        number = missing.index(row) + 1
        tell(f"{number} of {len(missing)}: {row.name} ({row.part}), about {minutes_in_words(row.minutes)}")
        if row.name in again and ledger.status(row) is not Status.MISSING:
            outcome.set_aside.append(ledger.set_aside(row).name)
        aside = ledger.begin(row)
        if aside is not None:
            outcome.set_aside.append(aside.name)
        try:
            _make(row, ledger, commands, tell)
        except OntickError as error:
            outcome.failed[row.name] = str(error)
            tell(f"{row.name} failed: {error}")
        else:
            outcome.made.append(row.name)

    with alone_in(order.to) if missing else nullcontext(), commands.ending_with_us():
        try:
            side_by_side(missing, make, order.jobs)
        except KeyboardInterrupt:
            begun = [row.name for row in missing if ledger.status(row) is Status.BEGUN]
            left = [name for name in begun if name not in outcome.failed]
            are = "is" if len(left) == 1 else "are"
            what = f"{', '.join(left)} {are} not finished; " if left else ""
            raise KeyboardInterrupt(f"{what}the same command goes on from here") from None
    return outcome


def _check_machine(missing: Sequence[Row], order: Order) -> None:
    """Refuse before anything is begun what this machine cannot finish, and say what it can."""
    free_mb = free_memory_mb()
    cannot = cannot_be_made(missing, None if free_mb is None else free_mb // order.jobs)
    if not cannot:
        return
    whys = dict[str, list[str]]()
    for name, why in cannot.items():
        whys.setdefault(why, []).append(name)
    said = "; ".join(f"{', '.join(names)}: {why}" for why, names in whys.items())
    can = [row.name for row in chosen(order.rows, order.only) if row.name not in cannot]
    do = f"it can make: {' '.join(can)} (name them)" if can else "it can make no other row"
    raise OntickError(f"this machine cannot make every row ({said}); {do}")


def _make(row: Row, ledger: Ledger, commands: Commands, tell: Tell) -> None:
    """Give a row's commands that have not come to their end yet, and write down what came of it."""
    began = time.monotonic()
    place = ledger.place(row)
    spent = 0.0
    printed: list[Json] = []
    for number, words in enumerate(row.words(), start=1):
        file = place / PRINTED.format(number)
        if not file.exists():
            tell(f"  ontick {shlex.join(words)}")
            started = time.monotonic()
            said = commands.give(words, row)
            write_json(file, {"command": words, "took_s": time.monotonic() - started, "printed": said})
        kept = json.loads(file.read_text())
        spent += kept["took_s"]
        printed.append(kept["printed"])
    try:
        found: Found = row.read(printed)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise OntickError(f"what its commands printed cannot be read ({error!r})") from error
    ledger.finish(row, found, printed, provenance(), max(spent, time.monotonic() - began))


def minutes_in_words(minutes: float) -> str:
    """Say how long something takes, roughly."""
    if minutes < 1:
        return f"{max(5, round(minutes * 12) * 5)} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
