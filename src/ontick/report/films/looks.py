"""Which colours has what is painted? One dark look and one light one: those of the pages' ``theme.css``.

Cool means in time, warm means late; the four sources of a tick's action also differ in lightness.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from ontick.late import Source
from ontick.tasks.picture import Paint

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


class LookName(StrEnum):
    """Which of the looks."""

    DARK = "dark"
    LIGHT = "light"


class Look(NamedTuple):
    """Every colour by what it is for."""

    page: Colour
    raised: Colour
    line: Colour
    text: Colour
    muted: Colour
    good: Colour
    bad: Colour
    sources: Mapping[Source, Colour]
    paints: Mapping[Paint, Colour]
    sky_low: Colour
    star: Colour | None
    ground_low: Colour
    ground_edge: Colour
    fire_core: Colour


def _colour(written: str) -> Colour:
    red, green, blue = bytes.fromhex(written)
    return red, green, blue


def _sources(fresh: str, planned: str, held: str, noop: str) -> Mapping[Source, Colour]:
    return MappingProxyType(dict(zip(Source, map(_colour, (fresh, planned, held, noop)), strict=True)))


def _paints(**written: str) -> Mapping[Paint, Colour]:
    return MappingProxyType({Paint(name): _colour(colour) for name, colour in written.items()})


LOOKS: Mapping[LookName, Look] = MappingProxyType(
    {
        LookName.DARK: Look(
            page=_colour("0d1115"),
            raised=_colour("1c242c"),
            line=_colour("29343e"),
            text=_colour("e8edf1"),
            muted=_colour("9dabb7"),
            good=_colour("6ad2a4"),
            bad=_colour("ff8f76"),
            sources=_sources("37b4c6", "b4e8ee", "f5aa42", "b9592a"),
            paints=_paints(
                sky="05080d",
                ground="39434d",
                body="eef2f5",
                trim="93a5b5",
                alert="ffd166",
                fire="ff8b3d",
                mark="45c1d2",
                ink="c4ced6",
                faint="485663",
            ),
            sky_low=_colour("121d2a"),
            star=_colour("8fa6bd"),
            ground_low=_colour("1d242b"),
            ground_edge=_colour("6d7b88"),
            fire_core=_colour("ffe3a1"),
        ),
        LookName.LIGHT: Look(
            page=_colour("f4f5f3"),
            raised=_colour("eceeec"),
            line=_colour("d8dddc"),
            text=_colour("15212b"),
            muted=_colour("54636f"),
            good=_colour("137450"),
            bad=_colour("b23a1f"),
            sources=_sources("0a7f93", "6dbcc9", "d98a0b", "8a3b12"),
            paints=_paints(
                sky="c9dbe8",
                ground="8b959c",
                body="1f2d39",
                trim="556878",
                alert="d98a0b",
                fire="ec6a2c",
                mark="0a7486",
                ink="2b3a46",
                faint="9fb0bd",
            ),
            sky_low=_colour("eef3f5"),
            star=None,
            ground_low=_colour("a9b1b6"),
            ground_edge=_colour("5f6b74"),
            fire_core=_colour("ffd98a"),
        ),
    }
)
