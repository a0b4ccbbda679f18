"""Which rows have been made, by what, and do they still hold? One file a row, and nothing is thrown away.

A row's result holds as long as its commands, and the commands of all rows that it builds upon, are the same. One that
does not hold any more is set aside, folder and all, before the row is made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from ontick.cache import write_json
from ontick.errors import OntickError
from ontick.records import Json
from ontick.reproduction.row import Found, Row

RESULT = "row.json"
"""In a row's folder: what came of it. Written last."""

ASKED = "asked.json"
"""In a row's folder: what it was begun with. Written first."""


class Status(StrEnum):
    """What is there of a row."""

    MISSING = "missing"
    BEGUN = "begun"
    """It was begun with the same settings; it goes on."""
    OTHER = "other"
    """What is there was made with other settings."""
    DONE = "done"


@dataclass(frozen=True)
class Entry:
    """A row's result as it is on disk."""

    row: Row
    found: Found
    provenance: Json
    """Which software and machine: `ontick.provenance`."""
    took_s: float

    @property
    def origin(self) -> tuple[str, str, str]:
        """Version and revision of this program, and the machine: what should be the same throughout a table."""
        machine: Mapping[str, Any] = self.provenance.get("machine", {})
        version = str(self.provenance.get("versions", {}).get("ontick"))
        return version, str(self.provenance.get("git_revision")), machine_in_words(machine)


def machine_in_words(machine: Mapping[str, Any]) -> str:
    """Say which machine it is, in a few words."""
    said = f"{machine.get('processor') or machine.get('architecture')}, {machine.get('cores')} cores"
    return ", ".join([said, *dict.fromkeys(machine.get("gpus") or ())])


class Ledger:
    """The results of a recipe's rows in its folder."""

    def __init__(self, folder: Path, rows: Sequence[Row]) -> None:
        self.folder = folder
        self._rows = {row.name: row for row in rows}

    def status(self, row: Row) -> Status:
        """Say what is there of a row."""
        place = self.place(row)
        if not place.exists():
            return Status.MISSING
        if _read(place / ASKED).get("settings") != self.settings(row):
            return Status.OTHER
        return Status.DONE if (place / RESULT).exists() else Status.BEGUN

    def place(self, row: Row) -> Path:
        """Return the row's folder."""
        return self.folder / row.name

    def settings(self, row: Row) -> str:
        """Return the digest of what decides a row: its commands, and all that they build upon."""
        said = {"commands": row.commands, "after": [self.settings(self._rows[name]) for name in row.after]}
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()

    def begin(self, row: Row) -> Path | None:
        """Make room for a row; what is there with other settings is set aside, and its new place returned.

        Raises:
            OntickError: the folder cannot be written.
        """
        aside: Path | None = None
        try:
            if self.status(row) is Status.OTHER:
                aside = self.set_aside(row)
            if self.status(row) is Status.MISSING:
                asked = {"row": row.name, "commands": row.commands, "settings": self.settings(row)}
                write_json(self.place(row) / ASKED, asked)
        except OSError as error:
            raise OntickError(f"cannot write {self.place(row)} ({error.strerror}); choose another --to") from error
        return aside

    def set_aside(self, row: Row) -> Path:
        """Give what is there of a row another name, and return it."""
        number = 1
        while (aside := self.folder / f"{row.name}.{number}").exists():
            number += 1
        self.place(row).rename(aside)
        return aside

    def finish(self, row: Row, found: Found, printed: Sequence[Json], provenance: Json, took_s: float) -> None:
        """Write down what came of a row, and all that its commands printed.

        Raises:
            OntickError: the disk is full, say.
        """
        said = {**asdict(found), "took_s": took_s, "provenance": provenance, "printed": list(printed)}
        try:
            write_json(self.place(row) / RESULT, said)
        except OSError as error:
            raise OntickError(f"cannot write {self.place(row)} ({error.strerror}); give the command again") from error

    def entry(self, row: Row) -> Entry | None:
        """Return what came of a row, if it holds.

        What the table says is read anew from what the commands printed, so that all its rows are read alike.
        """
        if self.status(row) is not Status.DONE:
            return None
        said = _read(self.place(row) / RESULT)
        try:
            return Entry(row, row.read(said["printed"]), said["provenance"], float(said["took_s"]))
        except (KeyError, TypeError, ValueError, IndexError):
            return None

    def entries(self) -> dict[str, Entry]:
        """Return all results that hold, by the names of their rows."""
        found = ((name, self.entry(row)) for name, row in self._rows.items())
        return {name: entry for name, entry in found if entry is not None}

    def set_aside_names(self, row: Row) -> list[str]:
        """Return the names of what was made of a row with other settings."""
        return sorted(path.name for path in self.folder.glob(f"{row.name}.*") if path.is_dir())


def _read(path: Path) -> Json:
    """Return the object in a file; an empty one if it is damaged or not there."""
    try:
        found: Any = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return cast(Json, found) if isinstance(found, dict) else {}
