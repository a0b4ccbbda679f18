"""Which rows does a table of a reproduced experiment show, by which commands were they made, and by whom?

What was published stays published: a table that is made anew, from a folder that holds a part of the rows, shows the
others as they stood, as long as they were made by the commands that it names now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ontick.reproduction.row import Row

NOT_MADE = "not made"

MADE_BY = "made by "
"""Begins a note that says who made the rows that bear the mark before it."""

_ROW = re.compile(r"\| `(?P<name>[^`]+)`(?P<mark>[^ ]*) \| (?P<cells>.*) \|")
_NOTE = re.compile(rf"- (?:(?P<mark>[^ ]+) )?{MADE_BY}(?P<origin>.+)")


class Shown(NamedTuple):
    """What a table in Markdown shows of a row."""

    cells: str
    """What came of it, of how many, and in how many minutes: the last three cells."""
    origin: str
    """Which version and machine made it, in words."""
    commands: tuple[str, ...]
    """Without ``ontick``."""


def shown_in(table: str) -> dict[str, Shown]:
    """Return the rows that are made in a table as `reproduction_tables.markdown` writes it, by their names."""
    text, _, script = table.partition("```sh\n")
    cells, origins = dict[str, tuple[str, str]](), dict[str, str]()
    for line in text.splitlines():
        if row := _ROW.fullmatch(line):
            found = row["cells"].split(" | ", 2)[2]
            if not found.startswith(NOT_MADE):
                cells[row["name"]] = found, row["mark"]
        elif note := _NOTE.fullmatch(line):
            origins[note["mark"] or ""] = note["origin"]
    commands = _commands(script)
    return {
        name: Shown(found, origins[mark], commands[name])
        for name, (found, mark) in cells.items()
        if name in commands and mark in origins
    }


def holding(rows: Sequence[Row], shown: Mapping[str, Shown]) -> dict[str, Shown]:
    """Return what of ``shown`` was made by the commands of ``rows``, with all that it builds upon."""
    known = {row.name: row for row in rows}

    def holds(row: Row) -> bool:
        same = row.name in shown and shown[row.name].commands == row.commands
        return same and all(holds(known[name]) for name in row.after)

    return {row.name: shown[row.name] for row in rows if holds(row)}


def _commands(script: str) -> dict[str, tuple[str, ...]]:
    found = dict[str, tuple[str, ...]]()
    name = ""
    for line in script.partition("```")[0].splitlines():
        if line.startswith("# "):
            name = line.removeprefix("# ")
            found[name] = ()
        else:
            found[name] += (line.removeprefix("ontick "),)
    return found
