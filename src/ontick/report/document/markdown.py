"""How does a report read as Markdown? The same parts, tables as tables, plots as pictures beside the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from ontick.report.document.forms import as_markdown, escaped
from ontick.report.document.parts import Chapter, Command, Document, Drawing, Fold, Part, Reels

PLOTS = "plots"
"""The folder of the plots, beside the Markdown file."""


def markdown_of(document: Document) -> str:
    """Return a report's text; replays are told in a line each."""
    blocks = [f"# {escaped(document.title)}"]
    if document.side_by_side:
        blocks += ["## Side by side", *_parts(document.side_by_side, 3)]
    for number, chapter in enumerate(document.chapters, 1):
        alone = len(document.chapters) == 1
        blocks += [] if alone else [f"## {number}. {escaped(chapter.title)}"]
        blocks += _chapter(chapter, 2 if alone else 3)
    return "\n\n".join(blocks) + "\n"


def _chapter(chapter: Chapter, level: int) -> Iterator[str]:
    yield escaped(", ".join(filter(None, (chapter.folder, chapter.when))))
    if chapter.headline.word:
        yield f"**{escaped(chapter.headline.word)}**"
    yield from map(escaped, chapter.headline.sentences)
    if chapter.notes:
        yield "Not all of this run is there:"
        yield _listed(chapter.notes)
    for section in chapter.sections:
        yield f"{'#' * level} {escaped(section.title)}"
        yield from _parts(section.parts, level + 1)


def _parts(parts: Sequence[Part], level: int) -> Iterator[str]:
    for part in parts:
        yield from _part(part, level)


def _part(part: Part, level: int) -> Iterator[str]:
    if isinstance(part, Table):
        yield as_markdown(part)
    elif isinstance(part, Drawing):
        yield f"![{escaped(f'{part.title}. {part.told}')}]({PLOTS}/{part.name}.png)"
    elif isinstance(part, Fold):
        yield f"{'#' * min(level, 6)} {escaped(part.title)}"
        yield from _parts(part.parts, level + 1)
    elif isinstance(part, Reels):
        yield f"**{escaped(part.title)}**"
        yield _listed([", ".join(filter(None, (reel.title, reel.told, reel.remark))) for reel in part.reels])
    elif isinstance(part, Command):
        yield from [escaped(part.said)] if part.said else []
        yield "\n".join(f"    {line}" for line in part.text.splitlines())
    else:
        yield escaped(part.sentences[0]) if len(part.sentences) == 1 else _listed(part.sentences)


def _listed(lines: Sequence[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)
