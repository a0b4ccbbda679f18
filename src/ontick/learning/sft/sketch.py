"""What is a large matrix of second moments, nearly, if it is seen row by row? Its strongest directions, and the rest.

A Nystroem approximation from one pass over the rows (Tropp, Yurtsever, Udell and Cevher 2017, arXiv:1706.05736,
algorithm 3): only the products of the rows with some random directions are kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

STRONGEST = 64
"""Directions that are kept one by one."""

SKETCHED = 128
"""Random directions by which they are found."""

_torch: Any = torch


class Curvature(NamedTuple):
    """A symmetric matrix V diag(values) V' + rest (I - V V'), or several of the same size, one in each row."""

    vectors: torch.Tensor
    """V, orthonormal, shape (..., size, directions)."""
    values: torch.Tensor
    """Shape (..., directions), the largest first."""
    rest: torch.Tensor
    """In every other direction, on average, shape (...)."""

    def within(self, columns: torch.Tensor) -> torch.Tensor:
        """Return C' M C for the matrix M and ``columns`` C, shape (..., size, n): shape (..., n, n)."""
        told, rest = self.vectors.mT @ columns, self.rest[..., None]
        return told.mT @ ((self.values - rest)[..., None] * told) + rest[..., None] * (columns.mT @ columns)


class Sketch:
    """The mean of g g' over many rows g of some size."""

    def __init__(self, size: int, seed: int = 0) -> None:
        drawn = _torch.Generator().manual_seed(seed)
        random = _torch.randn(size, min(size, SKETCHED), generator=drawn, dtype=_torch.float64)
        self._tests = _torch.linalg.qr(random).Q
        self._seen = _torch.zeros_like(self._tests)
        self._trace = 0.0
        self._rows = 0

    def add(self, rows: torch.Tensor) -> None:
        """Count ``rows``, shape (rows, size)."""
        self._seen += (rows.T @ (rows @ self._tests.to(rows))).double().cpu()
        self._trace += float(rows.square().sum())
        self._rows += len(rows)

    def curvature(self) -> Curvature:
        """Return the mean so far, in single precision."""
        size, found = self._seen.shape
        seen = self._seen / max(1, self._rows)
        # Shifted a little, so that the root below exists.
        shift = 1e-7 * float(seen.norm()) + 1e-30
        seen = seen + shift * self._tests
        core = self._tests.T @ seen
        root = _torch.linalg.cholesky((core + core.T) / 2)
        left, sizes, _ = _torch.linalg.svd(
            _torch.linalg.solve_triangular(root, seen.T, upper=False).T, full_matrices=False
        )
        values = (sizes.square() - shift).clamp(min=0)[: min(found, STRONGEST)]
        rest = max(0.0, self._trace / max(1, self._rows) - float(values.sum())) / max(1, size - len(values))
        return Curvature(left[:, : len(values)].float(), values.float(), _torch.tensor(rest))
