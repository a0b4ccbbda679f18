"""What is a report made of? Plain parts, which a page and Markdown show each in its own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from rich.table import Table

from ontick.records import Flight
from ontick.report.document.account import Account


class Headline(NamedTuple):
    """What came of a run, to be read first."""

    sentences: tuple[str, ...]
    word: str | None = None
    """A verdict, where there is one."""


class Figure(NamedTuple):
    """A number that is worth its size."""

    value: str
    name: str
    note: str = ""


class Drawing(NamedTuple):
    """A plot."""

    name: str
    """Of its files, without an ending; unlike every other's in the report."""
    title: str
    told: str
    """What it shows, for who does not see it."""
    draw: Callable[[], Any]
    """Returns a figure of matplotlib's."""


class Said(NamedTuple):
    """Sentences, each a paragraph; as a list where there are several."""

    sentences: tuple[str, ...]


class Command(NamedTuple):
    """A command line."""

    text: str
    said: str = ""
    """What it makes again."""


@dataclass(frozen=True, eq=False)
class Reel:
    """One episode that can be watched."""

    account: Account
    flight: Flight
    title: str
    told: str
    remark: str = ""
    """Why to watch it: "look first", "best"."""
    good: bool | None = None


class Reels(NamedTuple):
    """Episodes of a kind."""

    title: str
    reels: tuple[Reel, ...]
    folded: bool = False


Part: TypeAlias = "Table | Drawing | Said | Command | Reels | Fold"


class Fold(NamedTuple):
    """Parts that are shown when they are asked for."""

    title: str
    parts: tuple[Part, ...]


class Section(NamedTuple):
    """A part of a chapter with a heading."""

    title: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Chapter:
    """One run."""

    title: str
    folder: str
    """Its name."""
    when: str
    headline: Headline
    figures: tuple[Figure, ...]
    notes: tuple[str, ...]
    """What is cut short, missing or damaged."""
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Document:
    """A report of one run, or of several side by side."""

    title: str
    chapters: tuple[Chapter, ...]
    side_by_side: tuple[Part, ...] = ()
    """What compares the runs; empty where there is one."""
