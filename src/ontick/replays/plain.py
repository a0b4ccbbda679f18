"""How does what was recorded reach a page? As JSON proper, which knows no number that is not finite."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def plain(value: Any) -> Any:
    """Return JSON-like data with null for every number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(inner) for inner in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def rounded(value: float, decimals: int) -> float | None:
    """Return a number with so many decimals at most; null for one that is not finite."""
    return round(float(value), decimals) + 0.0 if math.isfinite(value) else None


def all_rounded(values: Iterable[float], decimals: int) -> list[float | None]:
    """Round each."""
    return [rounded(value, decimals) for value in values]
