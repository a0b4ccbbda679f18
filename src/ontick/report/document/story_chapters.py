"""What does a report tell of a latency curve, of the demo's whole story, and of a probe?"""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from ontick.evaluation.demo import what_training_did
from ontick.evaluation.verdict import Verdict
from ontick.records import Json
from ontick.report import tables
from ontick.report.document.account import REAL_TIME, Account
from ontick.report.document.curves import curve_of, curve_parts
from ontick.report.document.flight_chapters import numbers_and_replays
from ontick.report.document.parts import Figure, Fold, Headline, Part, Said
from ontick.report.document.pictures import curves_drawing, drawings
from ontick.report.document.pieces import Told, flown_of
from ontick.report.probe_tables import probe_parts
from ontick.report.way_tables import left_out_line, remedies_table

_ORDER = tuple(Verdict)
"""Which verdict is told first."""

Sections = list[tuple[str, list[Part]]]


def tell_curve(account: Account, prefix: str) -> Told:
    """Tell how success falls with the delay, and which one is allowed."""
    curve, asked = curve_of(account), account.asked
    title = f"{asked['task']} flown by {asked['controller']}, answers delayed"
    if curve is None:
        return Told(title, Headline(("No point of the curve is whole.",)), [], [])
    allowed = {rule: ms for rule, ms in curve["needs_ms"].items() if ms is not None}
    said = [f"Answers may be {ms:g} ms late under {rule}." for rule, ms in allowed.items()]
    if curve.get("cut_short"):
        said = ["Which latency is allowed is not known: the curve was cut short."]
    parts: list[Part] = [curves_drawing([curve], f"{prefix}curve"), *curve_parts(curve)]
    left_out = [line[:1].upper() + line[1:] + "." for line in left_out_line({"left_out": {}, **curve})]
    return Told(
        title,
        Headline((*(said or ["It does not succeed even without delay."]), *left_out)),
        [Figure(f"{ms:g} ms", "latency allowed", f"under {rule}") for rule, ms in allowed.items()],
        [("Latency curve", parts)],
    )


def tell_demo(account: Account, prefix: str) -> Told:
    """Tell who can fly, and whether policy or latency stops the others."""
    judged = [part.recorded.summary for part in account.parts if part.verb == "verdict" and part.is_judged]
    verdicts = [verdict for verdict in judged if verdict is not None]
    curves = [curve for part in account.parts if part.verb == "cliff" and (curve := curve_of(part)) is not None]
    sections: Sections = []
    if verdicts:
        whys = tuple(f"{verdict['task']}, {tables.controller_name(verdict)}: {verdict['why']}" for verdict in verdicts)
        table = tables.verdict_table(verdicts)
        sections.append(("Verdicts", [table, *remedies_table(verdicts), Fold("Why, one by one", (Said(whys),))]))
    if curves:
        numbers = [Fold(f"{curve['task']}: the curve in numbers", tuple(curve_parts(curve))) for curve in curves]
        sections.append(("Latency curves", [curves_drawing(curves, f"{prefix}curves", verdicts), *numbers]))
    return Told(
        "Who can fly, and whether policy or latency stops the others",
        Headline((*_by_verdict(verdicts), *what_training_did(verdicts)) or ("No verdict was reached.",)),
        [],
        [*sections, *_flown_on_each_task(account, prefix)],
    )


def _by_verdict(verdicts: list[Json]) -> Iterator[str]:
    who: dict[str, list[str]] = {}
    for verdict in verdicts:
        who.setdefault(verdict["verdict"], []).append(f"{tables.controller_name(verdict)} on {verdict['task']}")
    for word, found in sorted(who.items(), key=lambda item: _ORDER.index(item[0])):
        yield f"{word.capitalize()}: {', '.join(found)}."


def _flown_on_each_task(account: Account, prefix: str) -> Iterator[tuple[str, list[Part]]]:
    parts = [part for part in account.parts if part.verb == "verdict"]
    for task in dict.fromkeys(part.asked["task"] for part in parts):
        flown = [
            flown_of(leaf, part.label.removeprefix(f"{task}, "), (part.recorded.summary or {}).get("budget_ms"))
            for part in parts
            for leaf in part.leaves()
            if part.asked["task"] == task and leaf.label == REAL_TIME
        ]
        folds = [
            Fold(f"{part.label.removeprefix(f'{task}, ')}, {leaf.label}", tuple(numbers_and_replays(leaf)))
            for part in parts
            for leaf in part.leaves()
            if part.asked["task"] == task
        ]
        yield f"{task} in real time", [*drawings(flown, f"{prefix}{task}-")]
        yield f"{task}: replays and numbers", [*folds]


def tell_probe(account: Account, prefix: str) -> Told:
    """Tell what a controller answers when nothing moves."""
    asked, summary = account.asked, account.recorded.summary
    title = f"{asked['task']}: what {asked['controller']} answers when nothing moves"
    if summary is None or not account.is_judged:
        return Told(title, Headline(("The probe was cut short, so there is nothing to tell of it.",)), [], [])
    found = (
        ("diagnostic states", summary["diagnostics"]),
        ("states of the teacher's flights", summary["teacher_states"]),
    )
    shown = [(name, part) for name, part in found if part and part["n"]]
    knowledge = [("ordinary questions", summary["knowledge"])] if summary["knowledge"] else []
    said = [f"Right in {part['right']} of {part['n']} {name}." for name, part in shown + knowledge]
    said += [f"It is in a rut: {summary['rut']}."] if summary["rut"] else []
    figures = [Figure(f"{part['right']}/{part['n']}", "right", name) for name, part in shown + knowledge]
    answers: list[Part] = [part for part in probe_parts(summary) if isinstance(part, Table)]
    return Told(title, Headline(tuple(said)), figures, [("Answers", answers)])
