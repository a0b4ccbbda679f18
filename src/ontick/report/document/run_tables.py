"""Tables that only a report has: runs side by side, what was answered, which ways were tried, where it was made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from ontick.controllers.prediction import Predict
from ontick.records import Json
from ontick.report.document.flown import USED, Flown
from ontick.report.tables import count, milliseconds, titled

TEXTS_SHOWN = 8
"""How many different answers that named no action are shown; the record has them all."""

SHORT = 80
"""How many letters of one."""


def side_by_side_table(flown: Sequence[Flown]) -> Table:
    """Return one row for episodes that were flown alike."""
    table = titled("side by side")
    for heading in ("run", "task", "controller", "clock", "late"):
        table.add_column(heading)
    for heading in ("success", "mean reward", "p50, p95", "in time"):
        table.add_column(heading, justify="right")
    for row in flown:
        asked, summary = row.asked, row.summary
        added = [f"{name} {asked[name]}" for name in ("latency", "delay") if asked.get(name)]
        known = [str(asked.get(name, "-")) for name in ("task", "controller", "clock", "late")]
        cells = [row.label, known[0], " + ".join([known[1], *added]), *known[2:]]
        told = ["-"] * 4
        if summary is not None and summary["n"]:
            ticks = summary["fresh_ticks"] + summary["planned_ticks"] + summary["late_ticks"]
            in_time = summary["fresh_ticks"] + summary["planned_ticks"]
            told = [
                f"{count(summary, summary['success'])} {summary['success']}",
                f"{summary['reward_mean']:.1f}",
                milliseconds(summary["decision_ms"], "p50", "p95"),
                f"{in_time / ticks:.0%}" if ticks else "-",
            ]
        table.add_row(*map(escape, (*cells, *told)))
    return table


def answers_table(flown: Sequence[Flown]) -> Table | None:
    """Return what became of the answers, a column for each way of flying; None without any."""
    rows = [row for row in flown if row.fates]
    if not rows:
        return None
    table = titled("what became of the answers")
    table.add_column("answers")
    for row in rows:
        table.add_column(escape(row.label), justify="right")
    total = sum((row.fates for row in rows), Counter[str]())
    for fate in sorted(total, key=lambda fate: (fate != USED, -total[fate], fate)):
        table.add_row(escape(fate), *(f"{row.fates[fate]:,}" for row in rows))
    return table


def wrong_words_table(flown: Flown) -> Table | None:
    """Return what was written where no action was named, the commonest first; None where nothing was."""
    said = Counter(answer.text for answer in flown.answers if not answer.valid and answer.text)
    if not said:
        return None
    table = titled(f"what it said where it named no action: {flown.label}")
    table.add_column("answer")
    table.add_column("times", justify="right")
    for text, times in said.most_common(TEXTS_SHOWN):
        table.add_row(escape(_short(text)), str(times))
    if len(said) > TEXTS_SHOWN:
        table.caption, table.caption_justify = f"and {len(said) - TEXTS_SHOWN} others", "left"
    return table


def tried_table(verdict: Json) -> Table | None:
    """Return which ways of asking were flown in search of one that flies; None where none was."""
    if not verdict.get("tried"):
        return None
    table = titled("ways of asking that were tried in simulation, the cheapest first")
    table.add_column("late")
    for heading in ("in flight", "actions", "requests/s"):
        table.add_column(heading, justify="right")
    table.add_column("predict")
    table.add_column("success", justify="right")
    for way in verdict["tried"]:
        rate = way["requests_per_second"]
        table.add_row(
            escape(way["late"]),
            str(way["in_flight"]),
            str(way["chunk"]),
            "-" if rate is None else f"{rate:.3g}",
            "-" if way["predict"] == Predict.OFF else escape(way["predict"]),
            f"{way['success']}/{way['n']}",
        )
    return table


def machine_table(run: Json) -> Table:
    """Return where and with what a run was made."""
    table = titled("machine and versions")
    table.add_column("what")
    table.add_column("is")
    machine, versions = run.get("machine", {}), run.get("versions", {})
    system = " ".join(str(machine[part]) for part in ("system", "release", "architecture") if machine.get(part))
    facts = {
        "started (UTC)": run.get("started_utc"),
        "processor": machine.get("processor"),
        "cores": machine.get("cores"),
        "GPUs": ", ".join(machine.get("gpus") or ()),
        "system": system,
        "git revision": run.get("git_revision"),
        "Python": run.get("python"),
        **versions,
    }
    for name, value in facts.items():
        if value:
            table.add_row(escape(name), escape(str(value)))
    return table


def _short(text: str) -> str:
    said = " ".join(text.split()) or repr(text)
    return said if len(said) <= SHORT else f"{said[: SHORT - 1]}…"
