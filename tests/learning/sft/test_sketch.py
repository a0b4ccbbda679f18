"""A sketch has seen every row: it is the mean itself as far as it has room, and never loses any of its size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ontick.learning.sft.sketch import SKETCHED, STRONGEST, Sketch

_torch: Any = torch


def drawn(seed: int, *shape: int) -> Any:
    return torch.tensor(np.random.default_rng(seed).normal(size=shape), dtype=torch.float32)


@given(st.integers(0, 10_000), st.integers(1, STRONGEST), st.integers(1, 5), st.integers(1, 40))
def test_what_it_has_room_for_it_knows(seed: int, size: int, parts: int, each: int) -> None:
    rows, columns = drawn(seed, parts * each, size), drawn(seed + 1, size, 3)
    sketch = Sketch(size, seed)
    for part in rows.split(each):
        sketch.add(part)
    exact = columns.T @ (rows.T @ rows / len(rows)) @ columns
    torch.testing.assert_close(sketch.curvature().within(columns), exact, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("strong", [3, 30])
def test_beyond_that_it_knows_the_strongest_and_how_much_is_left(strong: int) -> None:
    size = 2 * SKETCHED
    loud = _torch.linalg.qr(drawn(1, size, strong)).Q
    rows = 30 * drawn(2, 500, strong) @ loud.T + drawn(3, 500, size)
    sketch = Sketch(size)
    sketch.add(rows)
    found, exact = sketch.curvature(), rows.T @ rows / len(rows)
    torch.testing.assert_close(found.within(torch.eye(size)).trace(), exact.trace(), rtol=1e-3, atol=0)
    torch.testing.assert_close(found.vectors.T @ found.vectors, torch.eye(STRONGEST), atol=1e-4, rtol=0)
    torch.testing.assert_close(found.within(loud).diagonal(), (loud.T @ exact @ loud).diagonal(), rtol=0.02, atol=0)
    assert found.rest > 0.2
