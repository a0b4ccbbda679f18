"""What does a benchmark say last? One JSON object: its figures, and which of them the project's bars hold for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TypeAlias

from ontick.reproduction.goals import holds

Figures: TypeAlias = Mapping[str, float | int | str | None]

DECIMALS = 6
"""Of a printed figure; a bar is judged before rounding."""


def print_last_line(benchmark: str, figures: Figures, must: Mapping[str, str]) -> None:
    """Print the JSON object; ``must`` has the bar of every figure that has one."""
    bars: dict[str, dict[str, float | str | bool]] = {}
    for name, bar in must.items():
        value = figures[name]
        if not isinstance(value, int | float):
            raise ValueError(f"{name} has a bar and is no number: {value!r}")
        bars[name] = {"is": round(value, DECIMALS), "must": bar, "holds": holds(value, bar)}
    rounded = {name: round(value, DECIMALS) if isinstance(value, float) else value for name, value in figures.items()}
    print(json.dumps({"benchmark": benchmark, "figures": rounded, "bars": bars}), flush=True)
