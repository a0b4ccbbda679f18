from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.evaluation.statistics import bootstrap_ci95, clustered_ci95, percentiles, wilson_ci95


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_bounds_are_where_the_score_test_just_does_not_reject(counted: tuple[int, int]) -> None:
    successes, n = counted
    share = successes / n
    for bound in wilson_ci95(successes, n):
        assert 0 <= bound <= 1
        if 0 < bound < 1:
            assert abs(share - bound) / math.sqrt(bound * (1 - bound) / n) == pytest.approx(1.96, abs=1e-4)


def test_wilson_on_known_counts() -> None:
    # Newcombe (1998), table I, method 3: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    assert wilson_ci95(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_ci95(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_ci95(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)
    assert wilson_ci95(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@pytest.mark.parametrize(("successes", "n"), [(0, 10), (10, 10)])
def test_wilson_reaches_the_end_that_was_seen(successes: int, n: int) -> None:
    assert successes / n in wilson_ci95(successes, n)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40))
def test_the_bootstrap_is_reproducible_and_inside_the_sample(values: list[float]) -> None:
    low, high = bootstrap_ci95(values)
    assert (low, high) == bootstrap_ci95(values)
    assert min(values) - 1e-6 <= low <= high <= max(values) + 1e-6


def test_the_bootstrap_agrees_with_theory_on_a_large_normal_sample() -> None:
    values = np.random.default_rng(1).normal(10, 3, 400)
    low, high = bootstrap_ci95(values.tolist())
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


def test_percentiles() -> None:
    assert percentiles([3, 1, 2], 50, 95) == {"p50": 2.0, "p95": pytest.approx(2.9), "max": 3.0}
    assert percentiles([], 50) == {"p50": None, "max": None}


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="at least one"):
        wilson_ci95(0, 0)
    with pytest.raises(ValueError, match="at least one"):
        bootstrap_ci95([])


def test_an_interval_of_groups_is_wider_than_one_of_trials_where_groups_differ() -> None:
    sizes = np.full(10, 100)
    alike = clustered_ci95(np.full(10, 50), sizes)
    apart = clustered_ci95(np.array([0, 100] * 5), sizes)
    assert alike == pytest.approx(wilson_ci95(500, 1000))
    assert apart[0] < 0.3 < alike[0] < 0.5 < alike[1] < 0.7 < apart[1]


def test_an_interval_of_groups_never_claims_certainty() -> None:
    assert clustered_ci95(np.array([0]), np.array([20])) == wilson_ci95(0, 20)
    assert clustered_ci95(np.array([20]), np.array([20])) == wilson_ci95(20, 20)
