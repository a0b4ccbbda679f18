"""How does a terminal's table look in a page and in Markdown? One table, three looks.

Cells are rich's console markup, as the tables of this package write them: it is read once, and what a reader sees is
escaped for where it stands. Colours become classes in a page (``tone-red``), and bold in Markdown, which has none.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from rich.style import Style
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from markupsafe import Markup

_ALIGNED = {"left": ":--", "center": ":-:", "right": "--:"}

_MARKDOWN = re.compile(r"[\\`*_\[\]<>|~$&#]")
"""Whatever may mean something within a line of Markdown as it is read on GitHub, and in the HTML that it allows."""

_AT_LINE_START = re.compile(r"^(\d*)([-+=.)])(?=\s|$)")
"""What makes a list or a heading of a line that begins with it."""


class Piece(NamedTuple):
    """Letters of one look."""

    text: str
    tone: str | None
    """A colour's name."""
    bold: bool


def pieces(cell: object) -> Iterator[Piece]:
    """Yield a cell's letters, look by look; together they are what a terminal shows."""
    text = cell if isinstance(cell, Text) else Text.from_markup(str(cell))
    cuts = sorted({0, len(text), *(end for span in text.spans for end in (span.start, span.end))})
    for start, end in itertools.pairwise(cuts):
        style = _parsed(text.style)
        for span in text.spans:
            if span.start <= start and end <= span.end:
                style += _parsed(span.style)
        tone = style.color.name if style.color else None
        yield Piece(text.plain[start:end], tone, bool(style.bold))


def plain(cell: object) -> str:
    """Return a cell's letters."""
    return "".join(piece.text for piece in pieces(cell))


def as_html(table: Table) -> Markup:
    """Return an HTML table: a caption, headings with a scope, and the first cell of each row as its heading."""
    from markupsafe import Markup

    ends = [f' class="to-{column.justify}"' if column.justify != "left" else "" for column in table.columns]
    heads = "".join(
        f'<th scope="col"{end}>{_html(column.header)}</th>' for column, end in zip(table.columns, ends, strict=True)
    )
    caption = f"<caption>{_html(table.title)}</caption>" if table.title else ""
    body = "".join(_html_row(row, ends, ended=after) for row, after in _rows(table))
    html = f"<table>{caption}<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    if table.caption:
        html += f'<p class="below">{_html(table.caption)}</p>'
    return Markup(html)


def as_markdown(table: Table) -> str:
    """Return a table as GitHub's Markdown, its title before it and its caption after it."""
    rows = [[column.header for column in table.columns], *(row for row, _ in _rows(table))]
    lines = ["| " + " | ".join(map(_markdown, row)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join(_ALIGNED.get(column.justify, ":--") for column in table.columns) + " |")
    before = [f"**{escaped(plain(table.title))}**", ""] if table.title else []
    after = ["", escaped(plain(table.caption))] if table.caption else []
    return "\n".join([*before, *lines, *after])


def escaped(text: str) -> str:
    """Return text for a line of Markdown, in which none of it means anything."""
    return _AT_LINE_START.sub(r"\1\\\2", _within_a_line(" ".join(text.split())))


def _rows(table: Table) -> Iterator[tuple[Sequence[object], bool]]:
    """Yield each row's cells, and whether a line is drawn below it."""
    columns = [list(column.cells) for column in table.columns]
    for row, cells in zip(table.rows, zip(*columns, strict=True), strict=True):
        yield cells, row.end_section


def _html_row(cells: Sequence[object], ends: Sequence[str], *, ended: bool) -> str:
    first, *others = (_html(cell) for cell in cells)
    told = f'<th scope="row"{ends[0]}>{first}</th>'
    told += "".join(f"<td{end}>{cell}</td>" for cell, end in zip(others, ends[1:], strict=True))
    return f'<tr class="ends">{told}</tr>' if ended else f"<tr>{told}</tr>"


def _html(cell: object) -> str:
    from markupsafe import escape

    told = ""
    for piece in pieces(cell):
        letters = str(escape(piece.text)).replace("\n", "<br>")
        if piece.tone:
            letters = f'<span class="tone-{escape(piece.tone)}">{letters}</span>'
        told += f"<b>{letters}</b>" if piece.bold else letters
    return told


def _markdown(cell: object) -> str:
    lines = [""]
    for piece in pieces(cell):
        for number, part in enumerate(piece.text.split("\n")):
            if number:
                lines.append("")
            letters = _within_a_line(part)
            marked = letters.strip() and (piece.tone or piece.bold)
            lines[-1] += f"**{letters}**" if marked else letters
    return "<br>".join(line.strip() for line in lines)


def _within_a_line(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", text)


def _parsed(style: str | Style) -> Style:
    return style if isinstance(style, Style) else Style.parse(style)
