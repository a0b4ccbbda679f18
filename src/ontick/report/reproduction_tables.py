"""The table of a reproduced experiment, the post's figures beside ours: for a terminal and as Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ontick.records import Json
from ontick.report.reproduced_rows import MADE_BY, NOT_MADE, Shown, holding, shown_in
from ontick.reproduction.ledger import Entry, Ledger, Status
from ontick.reproduction.reproduce import minutes_in_words
from ontick.reproduction.row import Row

MARKS = "*†‡§¶"
"""Behind the name of a row that was made by another version or on another machine than most; a note says which."""


def rows_table(rows: Sequence[Row], ledger: Ledger) -> Table:
    """Return what there is to make: one row each, how long it takes, and whether it is there."""
    table = Table(box=SIMPLE_HEAD, title_justify="left")
    for heading in ("row", "what", "there is", "takes"):
        table.add_column(heading, no_wrap=heading == "row")
    for row in rows:
        table.add_row(row.name, escape(row.part), _STATUS[ledger.status(row)], minutes_in_words(row.minutes))
    return table


_STATUS = {
    Status.MISSING: "",
    Status.BEGUN: "a beginning",
    Status.OTHER: "one with other settings",
    Status.DONE: "done",
}


def results_table(title: str, rows: Sequence[Row], ledger: Ledger) -> Table:
    """Return the post's figures and ours."""
    table = Table(box=SIMPLE_HEAD, title=escape(title), title_justify="left", show_lines=True)
    table.add_column("row", no_wrap=True)
    for heading in ("the post", "here"):
        table.add_column(heading, overflow="fold")
    entries = ledger.entries()
    marks = marks_of(entries)
    for row in rows:
        entry = entries.get(row.name)
        said = "" if entry is None else escape(entry.found.says)
        table.add_row(row.name + marks.get(row.name, ""), escape(row.post), said)
    return table


def notes(rows: Sequence[Row], ledger: Ledger) -> list[str]:
    """Say of which version and machine the results are, and which of them are not like most."""
    return _marked(_origins(ledger.entries()))[1] + _set_aside(rows, ledger)


def marks_of(entries: Mapping[str, Entry]) -> dict[str, str]:
    """Return a mark for each row that another version or machine made than most of them."""
    return _marked(_origins(entries))[0]


def _origins(entries: Mapping[str, Entry]) -> dict[str, str]:
    return {name: _in_words(entry.origin) for name, entry in entries.items()}


def _marked(origins: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return a mark for each row of another origin than most, and what the marks mean; that of most comes first."""
    if not origins:
        return {}, []
    usual = Counter(origins.values()).most_common(1)[0][0]
    others = [origin for origin in dict.fromkeys(origins.values()) if origin != usual]
    sign = {origin: MARKS[number % len(MARKS)] * (1 + number // len(MARKS)) for number, origin in enumerate(others)}
    marks = {name: sign[origin] for name, origin in origins.items() if origin in sign}
    return marks, [f"{MADE_BY}{usual}", *(f"{mark} {MADE_BY}{origin}" for origin, mark in sign.items())]


def _set_aside(rows: Sequence[Row], ledger: Ledger) -> list[str]:
    aside = [name for row in rows for name in ledger.set_aside_names(row)]
    return [f"set aside, made with other settings and in no table: {', '.join(aside)}"] if aside else []


def markdown(rows: Sequence[Row], ledger: Ledger, before: str = "") -> str:
    """Return the table as Markdown: what, the post's figure, ours, how many and which seeds, the commands.

    Rows that are not made in the ledger's folder stay as a table ``before`` shows them, if the same commands made them.
    """
    made = {name: _shown(entry) for name, entry in ledger.entries().items()}
    found = holding(rows, shown_in(before)) | made
    shown = {row.name: found[row.name] for row in rows if row.name in found}
    marks, said = _marked({name: row.origin for name, row in shown.items()})
    said += _set_aside(rows, ledger)
    lines = [
        "| row | what | the post | here | n, seeds | minutes |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = shown[row.name].cells if row.name in shown else f"{NOT_MADE} | |"
        lines.append(f"| `{row.name}`{marks.get(row.name, '')} | {_cell(row.part)} | {_cell(row.post)} | {cells} |")
    lines += ["", *(f"- {_cell(note)}" for note in said), "", "```sh"]
    for row in rows:
        lines += [f"# {row.name}", *(f"ontick {command}" for command in row.commands)]
    return "\n".join([*lines, "```", ""])


def _shown(entry: Entry) -> Shown:
    found = entry.found
    counted = ", ".join(filter(None, (None if found.n is None else f"{found.n:,}", found.seeds)))
    cells = f"{_cell(found.says)} | {counted} | {entry.took_s / 60:.1f}"
    return Shown(cells, _in_words(entry.origin), entry.row.commands)


def bars_said(found: Json) -> list[str]:
    """Return a line for each bar: what it is, what it must be, whether it holds."""
    return [
        f"{name.replace('_', ' ')}: {bar['is']:.4g}, must be {bar['must']}: {'holds' if bar['holds'] else 'MISSED'}"
        for name, bar in found["bars"].items()
    ]


def as_json(rows: Sequence[Row], ledger: Ledger) -> list[Json]:
    """Return every row with the post's figure and ours, those that are not made too."""
    made: list[Json] = []
    for row in rows:
        entry = ledger.entry(row)
        said: Json = {"row": row.name, "part": row.part, "post": row.post, "commands": list(row.commands)}
        said |= {"status": ledger.status(row), "result": None}
        if entry is not None:
            found = entry.found
            said["result"] = {
                "says": found.says,
                "figures": found.figures,
                "n": found.n,
                "seeds": found.seeds,
                "took_s": entry.took_s,
                "provenance": entry.provenance,
            }
        made.append(said)
    return made


def _in_words(origin: tuple[str, str, str]) -> str:
    version, revision, machine = origin
    at = "" if revision == "None" else f" at {revision}"
    return f"Ontick {version}{at} on {machine}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
