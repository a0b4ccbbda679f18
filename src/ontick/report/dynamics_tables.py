"""Tables for a terminal of how good a forward model is, from what ``train … dynamics --json`` prints."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ontick.records import Json


def foresight_table(fitted: Json) -> Table:
    """Return one row a feature: how far off it is one tick ahead and at the farthest, and how good that is."""
    near, far = fitted["errors"][0], fitted["errors"][-1]
    own = {found["ticks"]: found["features"] for found in fitted["own_errors"]}
    table = Table(box=SIMPLE_HEAD, title_justify="left")
    table.title = escape(
        f"{fitted['task']}: {fitted['parameters']:,} parameters, fitted to {fitted['n']:,} ticks, "
        f"judged on {fitted['held_out_n']:,} others; how far off so many ticks ahead"
    )
    table.add_column("feature")
    for found in (near, far):
        ticks = f"{found['ticks']} tick{'' if found['ticks'] == 1 else 's'}"
        for heading in (ticks, "skill", "own skill") if own else (ticks, "skill"):
            table.add_column(heading, justify="right")
    for name in near["features"]:
        cells: list[str] = []
        for found in (near, far):
            feature = found["features"][name]
            cells += [f"{feature['error']:.3g}", _skill(feature)]
            if own:
                cells.append(_skill(own[found["ticks"]][name]))
        table.add_row(escape(name), *cells)
    return table


def foresight_said(fitted: Json) -> str:
    """Say in words how good it is, and where it is."""
    first, *rest = fitted["words"]
    said = [first[0].upper() + first[1:], *rest]
    return (
        "skill: 1 is perfect, 0 no better than supposing that nothing changes\n"
        f"{'; '.join(said)}.\ndynamics: {fitted['dynamics']}"
    )


def _skill(feature: Json) -> str:
    """Write a skill; a feature that never changes has none."""
    return "-" if feature["skill"] is None else f"{feature['skill']:.2f}"
