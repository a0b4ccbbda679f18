"""How does an adapter that flies already come to fly the same, but reads only where it may? Layer by layer, at once.

Some flying prompts are read twice in one batch, by the adapter as it was and by what has become of it so far. In each
layer its change M = B A is replaced by that matrix of its rank, reading only the directions, which makes

    E |M x - c|^2 + E |M t|^2

least: x is what the layer is given of the second copies, c what its change was for the first ones, and t what general
conversations give it. This is reduced rank ridge regression (Mukherjee and Zhu 2011, doi:10.1002/sam.10138) with the
second moments of talk for the ridge, as in the editing of weights by Meng et al. 2022 (arXiv:2210.07229). Later layers
do not make up for what earlier ones have lost: that would fly a little more alike, and change talk much more.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch

from ontick.learning.sft.adapter import adapted, adapter_of
from ontick.learning.sft.aim import Directions, Room
from ontick.learning.sft.moments import Texts, watched
from ontick.learning.sft.shared import Batch, BatchReader, placed

_LEAST = 1e-6
"""Of the mean second moment of the directions, added to all: what the prompts hardly use is not read much louder."""

_TINY = 1e-12

_torch: Any = torch


@torch.no_grad()
def transfer(model: Any, reader: BatchReader, flying: Texts, directions: Directions) -> None:
    """Have the adapter of ``model`` read only ``directions`` and do in flying prompts what it did before.

    Args:
        model: with its adapter.
        reader: how it reads them.
        flying: the prompts by which that is judged; at least as many tokens as a layer has directions.
        directions: what it may read, by the names of the adapted layers.
    """
    looked_at, read = _twice(reader, flying, each=True), _twice(reader, flying, each=False)
    seen = _Seen(reader, placed(looked_at, model))
    hooks = [
        layer.register_forward_hook(partial(seen.replace, room=directions[name]))
        for name, layer in adapted(model).items()
    ]
    with watched(model, hooks):
        reader.logits(model, placed(read, model))


def _twice(reader: BatchReader, flying: Texts, *, each: bool) -> Batch:
    """Return the prompts in two copies, of which what all begin with is looked at once."""
    rest = reader.batch(flying.prefix, flying.suffixes, each=each)
    once = reader.together(reader.batch([], [flying.prefix], each=each), rest) if flying.prefix else rest
    return reader.together(once, once)


class _Seen(NamedTuple):
    """What is looked at while a model reads."""

    reader: BatchReader
    twice: Batch

    def replace(self, layer: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor, *, room: Room) -> Any:
        """Give a layer its new change; return its outputs, those of the second copies by that."""
        given, places = inputs[0], len(self.twice["places"]) // 2
        seen = self.reader.asked(given, self.twice)
        old, new = seen[:places], seen[places:]
        changed = self.reader.asked(output, self.twice)[:places] - layer.base_layer(old)
        basis = room.basis
        adapter = adapter_of(layer)
        writes, reads = least_change(new.float() @ basis, changed.float(), room.talk, len(adapter.reads))
        adapter.reads.copy_(reads.float() @ basis.T / adapter.scale**0.5)
        adapter.writes.copy_(writes / adapter.scale**0.5)
        # In rows of prompts and in a row of all of them, the second copies are the second half of the tokens.
        half = given.shape[0] * given.shape[1] // 2
        second = layer.forward(given.flatten(0, 1)[half:])
        return _torch.cat([output.flatten(0, 1)[:half], second]).reshape(output.shape)


def least_change(
    given: torch.Tensor, wanted: torch.Tensor, ridge: torch.Tensor, rank: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return B and A for which E |B A z - r|^2 + tr(B A ridge A' B') is least, of equal size.

    Args:
        given: rows z, shape (n, directions).
        wanted: rows r, shape (n, outputs).
        ridge: shape (directions, directions), symmetric and not negative.
        rank: of the product; B has the shape (outputs, rank) and A (rank, directions), with zeros where fewer do.
    """
    rows, targets = given.double(), wanted.double()
    moments = rows.T @ rows / len(rows)
    floor = _LEAST * moments.diagonal().mean() * _torch.eye(len(moments)).to(moments)
    values, vectors = _torch.linalg.eigh(moments + floor + ridge.double())
    # With S the sum of these, what is to be made least is |M S^1/2 - C S^-1/2|^2 and what does not depend on M.
    root = vectors / values.clamp(min=_TINY).sqrt() @ vectors.T
    left, sizes, right = _torch.linalg.svd(targets.T @ rows / len(rows) @ root, full_matrices=False)
    most = min(rank, len(sizes))
    read = right[:most] @ root
    # Each pair as long in B as in A: a training moves both alike.
    lengths = (sizes[:most].clamp(min=_TINY) / read.norm(dim=1).clamp(min=_TINY)).sqrt()
    writes, reads = targets.new_zeros(targets.shape[1], rank), rows.new_zeros(rank, rows.shape[1])
    writes[:, :most] = left[:, :most] * (sizes[:most] / lengths)
    reads[:most] = lengths[:, None] * read
    return writes, reads
