"""Which pieces do the chapters of several verbs share? Numbers worth their size, tables of flights, a run in short."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from ontick.durations import in_ms
from ontick.evaluation.failures import failures_in_words
from ontick.records import Json
from ontick.report import tables
from ontick.report.document.account import Account
from ontick.report.document.flown import Flown
from ontick.report.document.parts import Figure, Headline, Part
from ontick.report.document.run_tables import answers_table, wrong_words_table


@dataclass(frozen=True)
class Told:
    """What a chapter says that no other verb's does."""

    title: str
    headline: Headline
    figures: Sequence[Figure]
    sections: Sequence[tuple[str, Sequence[Part]]]
    """Headings and what stands below them; those without anything are left out."""


def flown_of(account: Account, label: str | None = None, allowed_ms: float | None = None) -> Flown:
    """Return a run's finished flights as what tables and plots show."""
    return Flown(label or account.label, account.asked, account.summary, account.finished, account.task, allowed_ms)


def numbers_table(flown: Flown, summary: Json, title: str) -> Table:
    """Return an evaluation's table under a title of its own."""
    table = tables.evaluation_table({"task": "", "controller": "", "summary": summary})
    table.title = title
    return table


def answer_tables(flown: Sequence[Flown]) -> Iterator[Table]:
    """Yield what became of the answers, and what they said that named no action."""
    for table in (answers_table(flown), *map(wrong_words_table, flown)):
        if table is not None:
            yield table


def in_short(summary: Json) -> str:
    """Say how often a run succeeded: "landed in 6 of 6"."""
    return f"{_words(summary['success'])} in {summary[summary['success']]} of {summary['n']}"


def success_figure(summary: Json, note: str = "") -> Figure:
    """Return how many episodes succeeded."""
    return Figure(tables.count(summary, summary["success"]), _words(summary["success"]), note)


def reward_figure(summary: Json) -> Figure:
    """Return the mean reward."""
    low, high = summary["reward_ci95"]
    return Figure(f"{summary['reward_mean']:.1f}", "mean reward", f"95% interval {low:.1f} to {high:.1f}")


def pace_figures(summary: Json) -> list[Figure]:
    """Return how long answers took; nothing where there were none."""
    times = summary["decision_ms"]
    return (
        [] if times["p95"] is None else [Figure(in_ms(times["p95"]), "decision p95", f"median {in_ms(times['p50'])}")]
    )


def in_time_figures(summary: Json) -> list[Figure]:
    """Return for how many ticks something had been answered; nothing without ticks."""
    answered = summary["fresh_ticks"] + summary["planned_ticks"]
    ticks = answered + summary["late_ticks"]
    return [Figure(f"{answered / ticks:.0%}", "ticks answered in time", f"of {ticks:,}")] if ticks else []


def allowed_figures(budget_ms: float | None) -> list[Figure]:
    """Return which latency the task allows; nothing where that is not known."""
    return [] if budget_ms is None else [Figure(f"{budget_ms:g} ms", "latency allowed", "by the task, asked like this")]


def left_sentences(summary: Json, where: str = "") -> list[str]:
    """Say which failures are left; nothing where none is."""
    left = failures_in_words(summary)
    return [f"Failures left{where}: {left}."] if left else []


def capital(text: str) -> str:
    """Begin a sentence with what may be a measure's name."""
    return _words(text[:1].upper() + text[1:])


def _words(measure: str) -> str:
    return measure.replace("_", " ")
