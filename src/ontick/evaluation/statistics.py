"""How sure is a number? Confidence intervals for counts and means, and percentiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""

BOOTSTRAP_RESAMPLES = 10_000


def wilson_ci95(successes: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a proportion (Wilson, 1927), which stays sensible at 0/n and n/n.

    Raises:
        ValueError: ``n`` is not positive.
    """
    if n <= 0:
        raise ValueError("a proportion needs at least one trial")
    p, z2 = successes / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == n else centre + half
    return low, high


def bootstrap_ci95(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % percentile-bootstrap interval of the mean (Efron, 1979), the same for the same values.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("a mean needs at least one value")
    sample = np.asarray(values, dtype=float)
    rng = np.random.default_rng(0)
    means = sample[rng.integers(len(sample), size=(BOOTSTRAP_RESAMPLES, len(sample)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def clustered_ci95(hits: npt.NDArray[Any], sizes: npt.NDArray[Any]) -> tuple[float, float]:
    """Return the 95 % interval of a share whose trials come in groups that are alike within.

    The percentile bootstrap over whole groups (Davison and Hinkley, 1997, 3.8), or Wilson's interval of all trials
    where that is wider: few groups, or none of them with a hit.

    Args:
        hits: how many in each group, shape (groups,).
        sizes: of how many, shape (groups,).

    Raises:
        ValueError: there are no trials.
    """
    low, high = wilson_ci95(int(hits.sum()), int(sizes.sum()))
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(len(sizes), np.full(len(sizes), 1 / len(sizes)), size=BOOTSTRAP_RESAMPLES)
    found_low, found_high = np.percentile((drawn @ hits) / (drawn @ sizes), (2.5, 97.5))
    return min(low, float(found_low)), max(high, float(found_high))


def percentiles(values: Sequence[float], *ranks: int) -> dict[str, float | None]:
    """Return ``p50``, … for each rank and ``max``, interpolating linearly; None for each without values."""
    names = [f"p{rank}" for rank in ranks]
    if not values:
        return dict.fromkeys([*names, "max"])
    found = np.percentile(np.asarray(values, dtype=float), ranks)
    return {**dict(zip(names, map(float, found), strict=True)), "max": float(max(values))}
