"""How does a report become one file that works from disk? Its template, filled; plots, replays and modules inside it.

The page forbids itself every network. Its scripts carry a nonce that is a digest of the whole page: nothing that was
recorded before the page was made can know it, and the same runs give the same page.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.table import Table

import ontick
from ontick.records import Json
from ontick.replays import assets
from ontick.replays.replay import replay_of
from ontick.report.document.forms import as_html, plain
from ontick.report.document.inline import inline_svg, packed
from ontick.report.document.parts import Command, Document, Drawing, Fold, Part, Reel, Reels

ROOM = "ontick.report.document"
"""The room whose page files the report is made of, besides the player's."""

MOST_PACKED = 4_000_000
"""Bytes of replays in one page; with more it would open slowly, and could not be sent by mail."""


def html_of(document: Document, plots: Path) -> tuple[str, tuple[str, ...]]:
    """Return a report's page, and what was left out of it, a line each.

    Args:
        document: what it tells.
        plots: the folder with an SVG file for each of its drawings.
    """
    reels = list(reels_in(document))
    chosen = choose_replays(reels)
    views = _Views(plots, {reel: f"replay-{place}" for place, (reel, _) in enumerate(chosen, 1)})
    told = {
        "document": document,
        "chapters": [
            {
                "about": chapter,
                "id": f"run-{number}",
                "sections": [
                    {"title": section.title, "id": f"run-{number}-{place}", "runs": views.runs(section.parts)}
                    for place, section in enumerate(chapter.sections, 1)
                ],
            }
            for number, chapter in enumerate(document.chapters, 1)
        ],
        "side_by_side": views.runs(document.side_by_side),
        "replays": [(views.replays[reel], text) for reel, text in chosen],
    }
    left_out = len(reels) - len(chosen)
    notes = [f"{left_out} of {len(reels)} replays do not fit into the page and are left out"] if left_out else []
    digest = hashlib.sha256(_filled(told, "").encode()).hexdigest()
    return _filled(told, digest[:32]), tuple(notes)


def _filled(told: Mapping[str, Any], nonce: str) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return environment.from_string(assets.asset("report.html", ROOM)).render(
        told,
        styles=_unescaped(f"{assets.player_styles()}\n{assets.asset('report.css', ROOM)}"),
        import_map=_unescaped(assets.import_map(assets.modules())),
        script=_unescaped(assets.asset("report.js", ROOM)),
        version=ontick.__version__,
        nonce=nonce,
    )


def reels_in(document: Document) -> Iterator[Reel]:
    """Yield every episode that a report has to show, in its order."""
    chapters = [section.parts for chapter in document.chapters for section in chapter.sections]
    for parts in (document.side_by_side, *chapters):
        yield from _reels(parts)


def choose_replays(reels: Sequence[Reel]) -> list[tuple[Reel, str]]:
    """Return which replays a page holds, packed: all of them, or as many as fit, the first of each run first."""
    place: dict[int, int] = {}
    ranked: list[tuple[int, int, Reel]] = []
    for order, reel in enumerate(reels):
        rank = place[id(reel.account)] = place.get(id(reel.account), -1) + 1
        ranked.append((rank, order, reel))
    chosen: list[tuple[int, Reel, str]] = []
    room = MOST_PACKED
    for _, order, reel in sorted(ranked, key=lambda found: found[:2]):
        text = packed(replay_of(reel.flight, reel.account.task, reel.account.asked))
        room -= len(text)
        if room < 0:
            break
        chosen.append((order, reel, text))
    return [(reel, text) for _, reel, text in sorted(chosen, key=lambda found: found[0])]


def _reels(parts: Sequence[Part]) -> Iterator[Reel]:
    for part in parts:
        if isinstance(part, Reels):
            yield from part.reels
        elif isinstance(part, Fold):
            yield from _reels(part.parts)


class _Views:
    """Parts as the template reads them."""

    def __init__(self, plots: Path, replays: Mapping[Reel, str]) -> None:
        self.plots, self.replays = plots, replays

    def runs(self, parts: Sequence[Part]) -> list[Json]:
        """Return parts in runs of one kind, which the page lays out together."""
        return [
            {"kind": kind, "parts": list(run)}
            for kind, run in groupby(map(self.part, parts), key=lambda part: part["kind"])
        ]

    def part(self, part: Part) -> Json:
        """Return a part with its kind."""
        if isinstance(part, Table):
            return {"kind": "table", "html": as_html(part), "named": plain(part.title or "table")}
        if isinstance(part, Drawing):
            svg = inline_svg(self.plots / f"{part.name}.svg", part.told)
            return {"kind": "plot", "title": part.title, "svg": svg, "told": part.told}
        if isinstance(part, Fold):
            return {"kind": "fold", "title": part.title, "runs": self.runs(part.parts)}
        if isinstance(part, Reels):
            reels = [(reel, self.replays.get(reel)) for reel in part.reels]
            return {"kind": "reels", "title": part.title, "folded": part.folded, "reels": reels}
        if isinstance(part, Command):
            return {"kind": "command", "text": part.text, "said": part.said}
        return {"kind": "said", "sentences": part.sentences}


def _unescaped(own: str) -> Any:
    """Pass a file of this package on as it is; it holds nothing that was recorded."""
    from markupsafe import Markup

    return Markup(own)
