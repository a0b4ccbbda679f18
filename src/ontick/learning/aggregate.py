"""How much does each state count when a student learns from the data of all rounds together?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ontick.learning.balance import Balance, balance_weights
from ontick.learning.dataset import Dataset, joined

_CORRECTED = "-corrected"
"""Ends the source of a state in which the student was corrected."""


def sources_of_round(number: int, corrected: npt.NDArray[np.bool_]) -> npt.NDArray[np.str_]:
    """Return the sources of a round's states: ``dagger-2``, or ``dagger-2-corrected``; shape (n,)."""
    return np.where(corrected, f"dagger-{number}{_CORRECTED}", f"dagger-{number}")


def aggregate_weights(
    given: Sequence[Dataset],
    rounds: Sequence[Dataset],
    n_actions: int,
    *,
    corrected: float,
    recency: float,
    balance: Balance,
) -> npt.NDArray[np.float64]:
    """Return the weight of each state of ``given`` and then of ``rounds``, shape (n,), mean 1.

    Args:
        given: the datasets that were there before the first round.
        rounds: one dataset a round, the newest last.
        n_actions: how many actions there are.
        corrected: how often a state counts in which the student was corrected.
        recency: what a round's data counts in the next, against the newest's.
        balance: how much rare actions are helped.
    """
    demos = joined([dataset.demonstrations for dataset in (*given, *rounds)])
    ages = [len(rounds)] * len(given) + [len(rounds) - number for number in range(1, len(rounds) + 1)]
    sizes = [len(dataset.demonstrations) for dataset in (*given, *rounds)]
    weights = np.repeat(np.power(recency, np.array(ages, dtype=np.float64)), sizes)
    weights *= np.where(np.char.endswith(demos.sources, _CORRECTED), corrected, 1.0)
    weights *= balance_weights(demos.actions, n_actions, balance)
    return weights * (len(weights) / weights.sum())
