"""Tables about pilots: which there are, which came of which, and how well each flies."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ontick.records import Json

_MARKS = {"best": "green", "shipped": "cyan"}

NAME_WIDTH = 12
"""Of eighty columns: the longest names go on in a second line."""


def lineage_table(found: Json) -> Table:
    """Return one row a pilot, each below the one that it was made from."""
    table = Table(
        box=SIMPLE_HEAD, title=escape(f"pilots in {found['folder']}"), title_justify="left", padding=(0, 1, 0, 0)
    )
    table.add_column("pilot", overflow="fold", min_width=NAME_WIDTH)
    table.add_column("")  # goes on in a second line, too
    for heading in ("kind", "task"):
        table.add_column(heading, no_wrap=True)
    for heading in ("states", "flew", "reward"):
        table.add_column(heading, justify="right", no_wrap=True)
    for pilot in found["pilots"]:
        name = f"{'  ' * (pilot['depth'] - 1)}└ {pilot['name']}" if pilot["depth"] else pilot["name"]
        if "id" not in pilot:
            table.add_row(escape(name), "[red]damaged[/red]")
            continue
        score = pilot["score"]
        marks = "".join(f" [{style}]{mark}[/{style}]" for mark, style in _MARKS.items() if pilot[mark])
        table.add_row(
            escape(name),
            f"v{pilot['version']}{marks}",
            "[red]damaged[/red]" if pilot["damaged"] else pilot["kind"],
            escape(pilot["task"]),
            str(pilot["examples"]),
            "-" if score is None else escape(f"{score[score['success']]}/{score['n']} {score['success']}"),
            "-" if score is None or score["reward_mean"] is None else f"{score['reward_mean']:.1f}",
        )
    return table


def remarks(found: Json) -> list[str]:
    """Return what is wrong with each damaged pilot; or that there is none, and where they come from."""
    if not found["pilots"]:
        return ["there is no pilot here; make one with: ontick train"]
    return [pilot["damaged"] for pilot in found["pilots"] if pilot["damaged"]]


def push_line(pushed: Json) -> str:
    """Say what was pushed, and how to fly it from there."""
    seen_by = "only you can see it" if pushed["private"] else "anyone can see it"
    return (
        f"{len(pushed['files'])} files, {_megabytes(pushed['megabytes'])} MB, are at {pushed['to']} ({seen_by}); "
        f"fly them with {pushed['word']}"
    )


def _megabytes(size: float) -> str:
    return f"{size:.0f}" if size >= 10 else f"{size:.2g}"
