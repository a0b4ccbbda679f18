"""What does a report tell of flights: of an evaluation, of a verdict, of a comparison?"""

from __future__ import annotations

from ontick.durations import in_ms
from ontick.records import Json
from ontick.report import tables
from ontick.report.document.account import FROZEN, REAL_TIME, Account
from ontick.report.document.gallery import reels_of
from ontick.report.document.parts import Figure, Fold, Headline, Part
from ontick.report.document.pictures import drawings
from ontick.report.document.pieces import (
    Told,
    allowed_figures,
    answer_tables,
    capital,
    flown_of,
    in_short,
    in_time_figures,
    left_sentences,
    numbers_table,
    pace_figures,
    reward_figure,
    success_figure,
)
from ontick.report.document.run_tables import tried_table
from ontick.report.model_tables import comparison_table
from ontick.report.way_tables import remedies_table


def tell_flights(account: Account, prefix: str) -> Told:
    """Tell of an evaluation, and of whatever else left flights."""
    asked, summary = account.asked, account.summary
    clock = "in real time" if asked.get("clock") == "wall" else "in simulated time"
    flown = flown_of(account, clock)
    title = f"{asked.get('task', 'unknown task')} flown by {tables.controller_name({'controller': '?', **asked})}"
    replays = ("Replays", list(reels_of(account, flown)))
    if summary is None or not summary["n"]:
        return Told(title, Headline(("No finished episode is recorded.",)), [], [replays])
    collapse = summary["collapse"]
    sentences = [f"{capital(in_short(summary))} episodes {clock}{_conditions(asked)}.", *left_sentences(summary)]
    sentences += [f"It is in a rut: {collapse['rut']}."] if collapse["rut"] else []
    sentences += [f"It {collapse['note']}."] if collapse["note"] else []
    sentences += _watched(summary)
    return Told(
        title,
        Headline(tuple(sentences)),
        [success_figure(summary), reward_figure(summary), *pace_figures(summary), *in_time_figures(summary)],
        [
            ("Timing and behaviour", list(drawings([flown], prefix))),
            replays,
            ("In numbers", [numbers_table(flown, summary, "the evaluation"), *answer_tables([flown])]),
        ],
    )


def _conditions(asked: Json) -> str:
    """Say how late answers were made to be, and what a tick did without one."""
    told = {name: str(asked[name]) for name in ("latency", "delay") if asked.get(name)}
    said = [f" with {name} {word}{' ms' if word.replace('.', '', 1).isdigit() else ''}" for name, word in told.items()]
    return " and".join(said) + (f", late rule {asked['late']}" if asked.get("late") else "")


def _watched(summary: Json) -> list[str]:
    """Say what makes flights of the live page unlike an evaluation's."""
    by_you, changed = summary.get("flown_by_you"), summary.get("changed_in_flight")
    said = [f"You had the controls in {by_you} of them."] if by_you else []
    return said + ([f"Settings were changed in flight in {changed} of them."] if changed else [])


def tell_verdict(account: Account, prefix: str) -> Told:
    """Tell which of policy and latency failed, and what it was like in real time and with time frozen."""
    title = f"{account.asked['task']} flown by {tables.controller_name(account.asked)}"
    judged = account.recorded.summary if account.is_judged else None
    allowed_ms = None if judged is None else judged["budget_ms"]
    flown = [flown_of(part, None, allowed_ms if part.label == REAL_TIME else None) for part in account.parts]
    numbers: list[Part] = [numbers_table(row, row.summary, row.label) for row in flown if row.summary is not None]
    replays = [
        Fold(f"{row.label}: {len(part.flights)} episodes", tuple(reels_of(part, row)))
        for part, row in zip(account.parts, flown, strict=True)
    ]
    shared = [
        ("Timing and behaviour", list(drawings(flown, prefix))),
        ("Replays", replays),
        ("In numbers", [*numbers, *answer_tables(flown)]),
    ]
    if judged is None:
        whole = [f"{row.label}: {in_short(row.summary)}." for row in flown if row.summary and row.summary["n"]]
        return Told(title, Headline(("There is no verdict: the run was cut short.", *map(capital, whole))), [], shared)
    real, frozen = judged["real_time"], judged["frozen"]
    tried = tried_table(judged)
    verdict: list[Part] = [tables.verdict_table([judged]), *remedies_table([judged]), *([tried] if tried else [])]
    return Told(
        title,
        Headline((judged["why"], *left_sentences(real, " in real time")), judged["verdict"]),
        [
            success_figure(real, REAL_TIME),
            success_figure(frozen, FROZEN),
            *pace_figures(real),
            *allowed_figures(allowed_ms),
        ],
        [("Verdict", verdict), *shared],
    )


def tell_comparison(account: Account, prefix: str) -> Told:
    """Tell how several controllers did on the same seeds."""
    asked, summary = account.asked, account.recorded.summary or {}
    budgets: dict[str, float | None] = summary.get("budget_ms", {})
    rows: list[Json] = summary.get("controllers", [])
    said = [
        f"{row['controller']}: {', '.join(f'{verdict} ({rule})' for rule, verdict in row['verdict'].items())}."
        for row in rows
    ]
    leaves = [(part, flown_of(part, None, budgets.get(part.asked["late"]))) for part in account.leaves()]
    real = [row for part, row in leaves if not part.label.endswith(FROZEN)]
    return Told(
        f"{asked['task']}: {len(asked['controllers'])} controllers compared",
        Headline(tuple(said) or ("No controller was flown to the end.",)),
        [Figure(in_ms(ms), "latency allowed", rule) for rule, ms in budgets.items() if ms is not None],
        [
            ("Compared", [comparison_table(summary)] if rows else []),
            ("Timing and behaviour", list(drawings(real, prefix))),
            ("Replays and numbers", [Fold(part.label, tuple(numbers_and_replays(part))) for part, _ in leaves]),
        ],
    )


def numbers_and_replays(part: Account) -> list[Part]:
    """Return what there is to say of one run among several."""
    flown = flown_of(part)
    numbers: list[Part] = [] if flown.summary is None else [numbers_table(flown, flown.summary, "the evaluation")]
    return [*reels_of(part, flown), *numbers, *answer_tables([flown])]
