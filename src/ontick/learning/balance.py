"""How is a rare action heard among common ones? By weights, by which its examples are drawn more often.

With n_a examples of action a among n, each weighs in proportion to 1 (none), n_a ** -1/2 (sqrt) or 1 / n_a (equal).
So the actions' shares stay as they are, become proportional to sqrt(n_a), or become equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from ontick.records import Json


class Balance(StrEnum):
    """How much rare actions are helped."""

    NONE = "none"
    """Every example counts the same."""
    SQRT = "sqrt"
    """Half way, by the geometric mean: an action's share goes with the square root of its count."""
    EQUAL = "equal"
    """Every action that occurs counts the same."""


_POWER = {Balance.NONE: 0.0, Balance.SQRT: -0.5, Balance.EQUAL: -1.0}


def balance_weights(actions: npt.NDArray[Any], n_actions: int, balance: Balance) -> npt.NDArray[np.float64]:
    """Return the weight of each example, shape (n,), mean 1; ``actions`` are the examples' labels, shape (n,)."""
    counts = np.bincount(actions, minlength=n_actions).astype(np.float64)
    weights = counts[actions] ** _POWER[balance]
    return weights / weights.mean() if len(weights) else weights


def balance_table(actions: npt.NDArray[Any], names: Sequence[str], balance: Balance) -> list[Json]:
    """Return what balancing does to each action: its ``n``, ``share`` before and after, and ``weight``."""
    counts = np.bincount(actions, minlength=len(names))
    weights = balance_weights(actions, len(names), balance)
    after = np.bincount(actions, weights, len(names))
    return [
        {
            "action": name,
            "n": int(counts[action]),
            "share": float(counts[action] / max(1, len(actions))),
            "balanced_share": float(after[action] / max(1, len(actions))),
            "weight": float(after[action] / counts[action]) if counts[action] else None,
        }
        for action, name in enumerate(names)
    ]
