"""How much each state counts: mean 1, the newest most, corrections more, rare actions as asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ontick.learning.aggregate import aggregate_weights, sources_of_round
from ontick.learning.balance import Balance
from ontick.learning.dataset import Dataset, demonstrations


def given(actions: list[int]) -> Dataset:
    return Dataset(demonstrations(np.zeros((len(actions), 4)), actions, "teacher"), {})


def of_round(number: int, actions: list[int], corrected: list[bool]) -> Dataset:
    demos = demonstrations(np.zeros((len(actions), 4)), actions, "x")
    return Dataset(replace(demos, sources=sources_of_round(number, np.array(corrected))), {})


DATA = [given([0, 0, 0, 1])]
ROUNDS = [of_round(1, [1, 0], [True, False]), of_round(2, [0, 0], [False, False])]


def weights(corrected: float = 1, recency: float = 1, balance: Balance = Balance.NONE) -> list[float]:
    found = aggregate_weights(DATA, ROUNDS, 2, corrected=corrected, recency=recency, balance=balance)
    assert found.mean() == pytest.approx(1)
    return (found / found[-1]).tolist()


def test_unless_asked_every_state_counts_the_same() -> None:
    assert weights() == [1] * 8


def test_a_round_counts_a_power_less_for_every_round_since() -> None:
    assert weights(recency=0.5) == [0.25] * 4 + [0.5] * 2 + [1] * 2


def test_a_corrected_state_counts_as_often_as_asked() -> None:
    assert weights(corrected=5) == [1] * 4 + [5, 1] + [1] * 2


def test_rare_actions_are_helped_as_in_training() -> None:
    assert weights(balance=Balance.EQUAL) == pytest.approx([1, 1, 1, 3, 3, 1, 1, 1])


def test_sources_tell_the_round_and_the_corrections() -> None:
    assert sources_of_round(12, np.array([False, True])).tolist() == ["dagger-12", "dagger-12-corrected"]
