"""What is a row of a reproduced table? Commands that anyone can give, and what is read from what they print.

A row runs in the recipe's folder. What its commands leave lies in a folder that has the row's name, and other rows'
commands find it there by that name, so that the commands in the table are the ones that were run.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ontick.errors import OntickError
from ontick.records import Json

IN_REAL_TIME = ("eval", "verdict", "compare")
"""Verbs that fly by the wall clock, unless told otherwise."""


@dataclass(frozen=True)
class Found:
    """What came of a row."""

    says: str
    """What the table shows."""
    figures: Json = field(default_factory=dict[str, object])
    """The same in numbers."""
    n: int | None = None
    """Of how many episodes or states."""
    seeds: str = ""
    """Which seeds were flown."""


Read: TypeAlias = Callable[[Sequence[Json]], Found]
"""Makes a row of what its commands printed with ``--json``, one object each."""


@dataclass(frozen=True)
class Row:
    """One part of an experiment."""

    name: str
    """Also of the folder that its commands write to."""
    part: str
    """Which part of the experiment it is."""
    post: str
    """What the post says of it; empty where it has nothing like it."""
    commands: tuple[str, ...]
    """What is given to ``ontick``, without ``--json``, in the recipe's folder."""
    read: Read
    after: tuple[str, ...] = ()
    """Rows whose folders these commands read."""
    extras: tuple[str, ...] = ()
    """Optional parts of the package that it needs, such as ``train``."""
    memory_mb: int = 500
    """Roughly the most memory that one of its commands takes."""
    minutes: float = 1.0
    """Roughly how long it takes on two processor cores."""

    @property
    def in_real_time(self) -> bool:
        """Whether something of it is flown in real time."""
        return any(words[0] in IN_REAL_TIME and "virtual" not in words for words in self.words())

    def words(self) -> list[list[str]]:
        """Return each command as a list of words."""
        return [shlex.split(command) for command in self.commands]


def chosen(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """Return the rows with these names and those that they come after, in the order of ``rows``; all without names.

    Raises:
        OntickError: there is no row of a name.
    """
    known = {row.name: row for row in rows}
    wanted = set[str]()
    waiting = list(names) or list(known)
    while waiting:
        name = waiting.pop()
        if name not in known:
            raise OntickError(f"there is no row {name}; the rows are: {', '.join(known)}")
        if name not in wanted:
            wanted.add(name)
            waiting += known[name].after
    return [row for row in rows if row.name in wanted]
