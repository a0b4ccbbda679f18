"""Balancing: weights of mean 1, and the shares that the names promise."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.learning.balance import Balance, balance_table, balance_weights

Labels: TypeAlias = npt.NDArray[np.int64]
LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(lambda drawn: np.array(drawn, dtype=np.int64))
BALANCES = st.sampled_from(list(Balance))


@given(LABELS, BALANCES)
def test_weights_have_mean_one_and_are_the_same_within_an_action(actions: Labels, balance: Balance) -> None:
    weights = balance_weights(actions, 5, balance)
    assert weights.mean() == pytest.approx(1)
    for action in set(actions.tolist()):
        assert len(set(weights[actions == action].tolist())) == 1


@given(LABELS)
def test_the_shares_are_what_the_names_promise(actions: Labels) -> None:
    counts = np.array([np.sum(actions == action) for action in range(5)])
    for balance, mass in ((Balance.NONE, counts), (Balance.SQRT, np.sqrt(counts)), (Balance.EQUAL, counts > 0)):
        weights = balance_weights(actions, 5, balance)
        for action in range(5):
            share = weights[actions == action].sum() / len(actions)
            assert share == pytest.approx(mass[action] / mass.sum())


def test_no_examples_have_no_weights() -> None:
    nothing = np.array([], dtype=np.int64)
    assert balance_weights(nothing, 3, Balance.EQUAL).shape == (0,)


def test_the_table_shows_shares_before_and_after() -> None:
    table = balance_table(np.array([0] * 90 + [1] * 10), ("a", "b", "never"), Balance.EQUAL)
    assert [row["n"] for row in table] == [90, 10, 0]
    assert [row["share"] for row in table] == [0.9, 0.1, 0]
    assert [row["balanced_share"] for row in table] == pytest.approx([0.5, 0.5, 0])
    assert [row["weight"] for row in table[:2]] == pytest.approx([50 / 90, 5])
    assert table[2]["weight"] is None
