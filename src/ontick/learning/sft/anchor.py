"""How far has an adapter moved what a model says in general, as foreseen from its weights alone?

An adapter changes a layer by B A. To second order, and each layer by itself, that moves the distributions of a
conversation's tokens by E (g' B A x)^2 / 2 nats a token: x is what the layer is given, and g how the log-likelihood
hangs on what it gives. With the two independent this is tr(B' S B A G A') / 2, S = E g g' and G = E x x' (curvature in
Kronecker factors: Martens and Grosse 2015, arXiv:1503.05671; against forgetting: Ritter, Botev and Barber 2018,
arXiv:1805.07810). Both are found before the first step; after that, no conversation is read for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import torch

from ontick.learning.sft.aim import Directions
from ontick.learning.sft.moments import FIRST
from ontick.learning.sft.sketch import Curvature

_torch: Any = torch


class _Alike(NamedTuple):
    """Layers of the same shape, reckoned together: one by one they would cost a tenth of a step."""

    reads: Sequence[Any]
    """A of each."""
    writes: Sequence[Any]
    """B of each."""
    scales: torch.Tensor
    """What B A counts, squared, shape (layers,)."""
    talk: torch.Tensor
    """T of each, with G = T T', shape (layers, inputs, directions)."""
    curvature: Curvature


class Anchor:
    """Keeps an adapter near its base: a nat of the divergence that is foreseen counts ``weight``.

    Whatever reads outside of ``directions`` is not seen.
    """

    def __init__(self, model: Any, directions: Directions, curvatures: Mapping[str, Curvature], weight: float) -> None:
        self._weight = weight
        layers = [(name, layer) for name, layer in model.named_modules() if name in directions]
        layers.sort(key=_shape)
        self._groups = [_alike(list(group), directions, curvatures) for _, group in groupby(layers, _shape)]

    def cost(self) -> torch.Tensor:
        """Return what the adapter costs as it is now, shape ()."""
        return self._weight * self.foreseen()

    def foreseen(self) -> torch.Tensor:
        """Return the divergence in nats a token, shape ()."""
        total: Any = 0.0
        for alike in self._groups:
            given = _torch.stack(list(alike.reads)).float() @ alike.talk
            moved = alike.curvature.within(_torch.stack(list(alike.writes)).float()) * (given @ given.mT)
            total = total + (alike.scales * moved.sum(dim=(1, 2))).sum()
        return total / 2


def _shape(named: tuple[str, Any]) -> tuple[int, ...]:
    reads, writes = _matrices(named[1])
    return (*reads.shape, *writes.shape)


def _matrices(layer: Any) -> tuple[Any, Any]:
    (adapter,) = getattr(layer, FIRST)
    return layer.lora_A[adapter].weight, layer.lora_B[adapter].weight


def _alike(layers: Sequence[tuple[str, Any]], directions: Directions, curvatures: Mapping[str, Curvature]) -> _Alike:
    reads, writes = zip(*(_matrices(layer) for _, layer in layers), strict=True)
    device = reads[0].device
    rooms = [directions[name] for name, _ in layers]
    # Some have fewer directions than others: nothing is in the rest.
    talk = _torch.zeros(len(rooms), reads[0].shape[1], max(room.basis.shape[1] for room in rooms))
    for room, filled in zip(rooms, talk, strict=True):
        filled[:, : room.basis.shape[1]] = (room.basis.double() @ _torch.linalg.cholesky(room.talk)).float()
    stacked = (_torch.stack(parts).to(device) for parts in zip(*(curvatures[name] for name, _ in layers), strict=True))
    scales = _torch.tensor([next(iter(layer.scaling.values())) ** 2 for _, layer in layers], device=device)
    return _Alike(reads, writes, scales, talk.to(device), Curvature(*stacked))
