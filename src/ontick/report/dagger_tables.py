"""Tables for a terminal of how small networks learn and what rounds of DAgger bring, from what ``--json`` prints."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ontick.records import Json
from ontick.report.tables import count


def looks_table(trained: Json) -> Table:
    """Return one row for each time that a small network was flown while it learnt; the one that was kept is marked."""
    measure = trained["evaluation"]["success"]
    sizes = "-".join(map(str, trained["settings"]["sizes"]))
    table = Table(box=SIMPLE_HEAD, title_justify="left")
    table.title = escape(f"{trained['task']}: {sizes}, {trained['parameters']:,} parameters, {trained['n']:,} states")
    for heading in ("step", "loss", measure, "mean reward"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for look in trained["looks"]:
        kept = "kept" if look["step"] == trained["steps"] else ""
        table.add_row(
            str(look["step"]), f"{look['loss']:.3f}", count(look, measure), f"{look['reward_mean']:.1f}", kept
        )
    return table


def rounds_table(dagger: Json) -> Table:
    """Return one row a round, round 0 being the pilot that it began with."""
    begun = dagger["begun"]
    measure = begun["evaluation"]["success"]
    table = Table(box=SIMPLE_HEAD, title_justify="left", padding=(0, 1, 0, 0))
    table.title = escape(f"{dagger['task']}: {dagger['pilot']}, taught by {dagger['labeller']}")
    table.add_column("round")
    for heading in ("visited", "corrected", "95 % interval", "learnt from", measure, "reward"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for done in (begun, *dagger["rounds"]):
        cells = ["", "", "", ""]
        if done is not begun:
            low, high = done["rate_ci95"]
            cells = [f"{done['states']:,}", f"{done['rate']:.1%}", f"{low:.1%} to {high:.1%}", f"{done['aggregate']:,}"]
        found = done["evaluation"]
        cells += ["", ""] if found is None else [count(found, measure), f"{found['reward_mean']:.1f}"]
        best = "best" if done["round"] == dagger["best"]["round"] else ""
        table.add_row(str(done["round"]), *cells, best)
    return table


def corrections_table(dagger: Json) -> Table:
    """Return what the teacher said where it disagreed: one row a round, one column an action."""
    actions = list(next(done["corrections"] for done in dagger["rounds"]))
    table = Table(box=SIMPLE_HEAD, title="share of each action among the corrections", title_justify="left")
    table.add_column("round")
    for action in actions:
        table.add_column(escape(action), justify="right")
    for done in dagger["rounds"]:
        table.add_row(str(done["round"]), *(f"{done['corrections'][action]:.0%}" for action in actions))
    return table


def rounds_said(dagger: Json) -> str:
    """Say in words what the student got wrong, round by round, and which pilot is the best."""
    said = [f"round {done['round']}: {'; '.join(done['words'])}." for done in dagger["rounds"]]
    best = dagger["best"]
    which = "the pilot that it began with" if best["round"] == 0 else f"round {best['round']}'s"
    return "\n".join([*said, f"It stopped: {dagger['stopped']}. The best is {which}: {best['pilot']}"])
