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

from ontick.learning.sft.adapter import Adapter, adapted, adapter_of
from ontick.learning.sft.aim import Directions
from ontick.learning.sft.sketch import Curvature

_torch: Any = torch


class _Alike(NamedTuple):
    """Layers of the same shape, reckoned together: one by one they would cost a tenth of a step."""

    adapters: Sequence[Adapter]
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
        adapters = sorted(((name, adapter_of(layer)) for name, layer in adapted(model).items()), key=_shape)
        self._groups = [_alike(dict(group), directions, curvatures) for _, group in groupby(adapters, _shape)]

    def cost(self) -> torch.Tensor:
        """Return what the adapter costs as it is now, shape ()."""
        return self._weight * self.foreseen()

    def foreseen(self) -> torch.Tensor:
        """Return the divergence in nats a token, shape ()."""
        total: Any = 0.0
        for alike in self._groups:
            given = _torch.stack([adapter.reads for adapter in alike.adapters]).float() @ alike.talk
            writes = _torch.stack([adapter.writes for adapter in alike.adapters]).float()
            moved = alike.curvature.within(writes) * (given @ given.mT)
            total = total + (alike.scales * moved.sum(dim=(1, 2))).sum()
        return total / 2


def _shape(named: tuple[str, Adapter]) -> tuple[int, ...]:
    adapter = named[1]
    return (*adapter.reads.shape, *adapter.writes.shape)


def _alike(named: Mapping[str, Adapter], directions: Directions, curvatures: Mapping[str, Curvature]) -> _Alike:
    adapters, rooms = [*named.values()], [directions[name] for name in named]
    reads = adapters[0].reads
    # Some have fewer directions than others: nothing is in the rest.
    talk = _torch.zeros(len(rooms), reads.shape[1], max(room.basis.shape[1] for room in rooms))
    for room, filled in zip(rooms, talk, strict=True):
        filled[:, : room.basis.shape[1]] = (room.basis.double() @ _torch.linalg.cholesky(room.talk)).float()
    curved = zip(*(curvatures[name] for name in named), strict=True)
    stacked = (_torch.stack(parts).to(reads.device) for parts in curved)
    scales = _torch.tensor([adapter.scale**2 for adapter in adapters], device=reads.device)
    return _Alike(adapters, scales, talk.to(reads.device), Curvature(*stacked))
