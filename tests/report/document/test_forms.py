"""Laws of a table's looks: what a terminal shows is what a page and Markdown show, letter by letter."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ontick.report.document.forms import as_html, as_markdown, escaped, plain

HOSTILE = [
    "</td></tr></table><script>alert(1)</script>",
    "a|b",
    "**bold** _x_",
    "[red]no markup[/red]",
    "`x`",
    "&lt;",
    "\\|",
]

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), max_size=12)
CELLS = st.one_of(WORDS, st.sampled_from(HOSTILE))


class Reader(HTMLParser):
    """Collects the letters of each row's cells, and the elements that there are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.caption = ""
        self._inside: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag in {"td", "th", "caption"}:
            self._inside = tag
        if tag == "br":
            self.handle_data("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside == "caption":
            self.caption += data
        elif self._inside is not None:
            self.rows[-1][-1] += data


def table_of(rows: list[list[str]]) -> Table:
    table = Table(title=escape("the <title> [x]"), title_justify="left")
    table.add_column("name")
    for place in range(len(rows[0]) - 1):
        table.add_column(f"column {place}", justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def read_markdown(cell: str) -> str:
    """Return what is read of a cell, as CommonMark says: escapes, bold, line breaks."""
    kept = re.sub(r"(?<!\\)((?:\\\\)*)\*\*", r"\1", cell).replace("<br>", "\n")
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", kept)


def split_row(line: str) -> list[str]:
    return [cell.strip(" ") for cell in re.split(r"(?<!\\)(?:\\\\)*\|", line.strip())[1:-1]]


@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
def test_a_page_shows_the_letters_of_every_cell_and_makes_no_element_of_them(rows: list[list[str]]) -> None:
    table = table_of([[escape(cell) for cell in row] for row in rows])
    found = Reader(str(as_html(table)))
    assert found.rows[1:] == [[plain(escape(cell)) for cell in row] for row in rows]
    assert {tag for tag, _ in found.elements} <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "br"}
    assert found.caption == "the <title> [x]"


@given(st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
def test_markdown_has_a_line_a_row_and_keeps_the_letters(rows: list[list[str]]) -> None:
    lines = as_markdown(table_of([[escape(cell) for cell in row] for row in rows])).splitlines()[2:]
    assert len(lines) == len(rows) + 2
    for line, row in zip(lines[2:], rows, strict=True):
        assert [read_markdown(cell) for cell in split_row(line)] == [plain(escape(cell)).strip() for cell in row]
    assert not re.search(r"(?<!\\)<(?!br>)", "".join(lines))


@given(st.text())
def test_a_line_of_markdown_is_one_line_without_a_meaning(text: str) -> None:
    line = escaped(text)
    assert len(line.splitlines()) <= 1
    assert not re.match(r"(\s*[-+*]|\d+[.)]|#+|=+|>)(\s|$)", line)
    assert read_markdown(line) == " ".join(text.split())


def test_colours_become_classes_and_bold() -> None:
    table = table_of([["[green]fine[/green] [red]not[/] plain", "[bold]7[/bold]"]])
    html = str(as_html(table))
    assert '<span class="tone-green">fine</span> <span class="tone-red">not</span> plain' in html
    assert "<b>7</b>" in html
    assert "**fine** **not** plain | **7** |" in as_markdown(table)


def test_columns_keep_their_side_and_rows_their_lines() -> None:
    table = table_of([["a", "1"], ["b", "2"]])
    table.rows[0].end_section = True
    table.caption = "below"
    found = Reader(str(as_html(table)))
    assert [attributes.get("class") for tag, attributes in found.elements if tag == "td"] == ["to-right", "to-right"]
    assert [attributes.get("class") for tag, attributes in found.elements if tag == "tr"] == [None, "ends", None]
    assert [attributes.get("scope") for tag, attributes in found.elements if tag == "th"] == [
        "col",
        "col",
        "row",
        "row",
    ]
    assert as_markdown(table).splitlines()[3] == "| :-- | --: |"
    assert as_markdown(table).endswith("\n\nbelow")


@pytest.mark.parametrize("cell", ["a\nb", "[red]a\nb[/red]"])
def test_several_lines_stay_in_their_cell(cell: str) -> None:
    table = table_of([[cell, "1"]])
    assert Reader(str(as_html(table))).rows[1] == ["a\nb", "1"]
    assert "a<br>b" in as_markdown(table).replace("**", "")


def test_a_text_of_richs_own_is_read_like_markup() -> None:
    assert plain(Text("[red]x", style="bold")) == "[red]x"
