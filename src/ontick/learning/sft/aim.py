"""Which directions of each layer's input are the flying prompts', and how is an adapter held to them?

What an adapter adds to a layer is B A x. In most directions inputs x vary as much in general conversations as in flying
prompts, so whatever A reads there changes all talk. In some they do not: those with the largest ratio of the two mean
squares v' F v / v' G v, which are generalised eigenvectors of the two matrices of second moments F and G (as in common
spatial patterns: Koles, Lazar and Zhou 1990, doi:10.1007/BF01129656). Held to where the ratio is large, an adapter
reads the flying prompts and hardly anything else, whatever it learns. The directions are found before the first step,
and A is brought back to them after each. How a pilot that flies already comes there: `transfer`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import transformers

from ontick.errors import OntickError
from ontick.learning.sft.adapter import adapted, adapter_of
from ontick.learning.sft.moments import Texts, second_moments
from ontick.learning.sft.shared import BatchReader

_torch: Any = torch
_Callback: Any = transformers.TrainerCallback

FLOOR = 1e-3
"""Of the mean of G's eigenvalues, added to all of them: directions that general talk hardly uses count as much."""

HARDLY = 0.1
"""The share of an adapter's sum of squares outside of its directions that it can do without."""


class Room(NamedTuple):
    """What a layer's adapter may read."""

    basis: torch.Tensor
    """Orthonormal, shape (inputs, directions)."""
    talk: torch.Tensor
    """How strong general conversations are there, the mean of z z' with z = basis' x and the floor; in double, shape
    (directions, directions)."""


Directions = dict[str, Room]
"""By the names of the adapted layers."""


def directions_of(model: Any, reader: BatchReader, flying: Texts, general: Texts, ratio: float) -> Directions:
    """Return where the flying prompts are at least ``ratio`` times as strong as general conversations.

    Args:
        model: the model with its adapter, which is left out of account.
        reader: how it reads them.
        flying: flying prompts.
        general: general conversations.
        ratio: the bound.

    Raises:
        OntickError: in some layer there is no such direction.
    """
    stated, said = second_moments(model, reader, flying), second_moments(model, reader, general)
    found: dict[int, Room] = {}
    directions: Directions = {}
    for name, (moments, number) in stated.items():
        if number not in found:
            talk = _floored(said[name][0])
            basis = _basis(moments, talk, ratio)
            found[number] = Room(basis, basis.double().T @ talk @ basis.double())
        if not found[number].basis.shape[1]:
            raise OntickError(
                f"in {name} no direction is {ratio:g} times as strong in the prompts as in talk; lower --keep.aim"
            )
        directions[name] = found[number]
    return directions


def everywhere(model: Any, reader: BatchReader, general: Texts) -> Directions:
    """Return all directions: what an adapter reads that may read anything; see `directions_of`."""
    return {
        name: Room(_torch.eye(len(moments), device=moments.device), _floored(moments))
        for name, (moments, _) in second_moments(model, reader, general).items()
    }


def _floored(general: torch.Tensor) -> torch.Tensor:
    size = len(general)
    return general + FLOOR * general.trace() / size * _torch.eye(size).to(general)


def _basis(flying: torch.Tensor, general: torch.Tensor, ratio: float) -> torch.Tensor:
    inverse = _torch.linalg.inv(_torch.linalg.cholesky(general))
    values, vectors = _torch.linalg.eigh(inverse @ flying @ inverse.T)
    chosen = inverse.T @ vectors[:, values >= ratio]
    return _torch.linalg.qr(chosen).Q.float()


def _inside(weights: torch.Tensor, basis: torch.Tensor) -> Any:
    """Return of every row what lies in the directions, in single precision."""
    return (weights.float() @ basis) @ basis.T


class Aim(_Callback):
    """Brings what an adapter reads back to ``directions`` after every step."""

    def __init__(self, model: Any, directions: Directions) -> None:
        reads = {name: adapter_of(layer).reads for name, layer in adapted(model).items()}
        self._pairs = [(weights, directions[name].basis.to(weights.device)) for name, weights in reads.items()]

    @torch.no_grad()
    def is_held(self) -> bool:
        """Say whether the adapter reads hardly anything outside of the directions already."""
        whole = outside = 0.0
        for weights, basis in self._pairs:
            whole += float(weights.float().square().sum())
            outside += float((weights.float() - _inside(weights, basis)).square().sum())
        return outside <= HARDLY * whole

    @torch.no_grad()
    def bring_back(self, *, as_large: bool = False) -> None:
        """Leave of every row what lies in the directions; ``as_large``: made as long as it was."""
        for weights, basis in self._pairs:
            kept = _inside(weights, basis)
            if as_large:
                kept *= weights.float().norm(dim=1, keepdim=True) / kept.norm(dim=1, keepdim=True).clamp(min=1e-12)
            weights.copy_(kept.to(weights.dtype))

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin there."""
        self.bring_back(as_large=state.global_step == 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Come back there."""
        self.bring_back()
