"""Which directions of each layer's input are the flying prompts', and how is an adapter held to them?

What an adapter adds to a layer is B A x. In most directions inputs x vary as much in general conversations as in flying
prompts, so whatever A reads there changes all talk. In some they do not: those with the largest ratio of the two mean
squares v' F v / v' G v, which are generalised eigenvectors of the two matrices of second moments F and G (as in common
spatial patterns: Koles, Lazar and Zhou 1990, doi:10.1007/BF01129656). Held to where the ratio is large, an adapter
reads the flying prompts and hardly anything else, whatever it learns. The directions are found before the first step,
and A is brought back to them after each. A pilot that flies already is brought there, too, and keeps its B.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
import transformers

from ontick.errors import OntickError
from ontick.learning.sft.shared import Batch, BatchReader, read_logits
from ontick.learning.sft.tokens import Tokens

_torch: Any = torch
_Callback: Any = transformers.TrainerCallback

FIRST = "lora_A"
"""The matrix of an adapter that reads."""

FLOOR = 1e-3
"""Of the mean of G's eigenvalues, added to all of them: directions that general talk hardly uses count as much."""

READ_AT_ONCE = 16
"""Texts in one reading."""

Directions = dict[str, torch.Tensor]
"""For each adapted layer an orthonormal basis of what it may read, shape (inputs, directions)."""


class Texts(NamedTuple):
    """What is read to learn what layers are given."""

    prefix: Tokens
    """What all begin with; it does not count."""
    suffixes: Sequence[Tokens]
    """The rest of each."""


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
    stated, said = _moments(model, reader, flying), _moments(model, reader, general)
    found: dict[int, torch.Tensor] = {}
    bases: Directions = {}
    for name, (moments, number) in stated.items():
        if number not in found:
            found[number] = _basis(moments, said[name][0], ratio)
        if not found[number].shape[1]:
            raise OntickError(
                f"in {name} no direction is {ratio:g} times as strong in the prompts as in talk; lower --keep.aim"
            )
        bases[name] = found[number]
    return bases


def _basis(flying: torch.Tensor, general: torch.Tensor, ratio: float) -> torch.Tensor:
    size = len(general)
    floor = FLOOR * general.trace() / size * _torch.eye(size, dtype=general.dtype)
    inverse = _torch.linalg.inv(_torch.linalg.cholesky(general + floor))
    values, vectors = _torch.linalg.eigh(inverse @ flying @ inverse.T)
    chosen = inverse.T @ vectors[:, values >= ratio]
    return _torch.linalg.qr(chosen).Q.float()


@torch.no_grad()
def _moments(
    model: Any, reader: BatchReader, texts: Texts, *, bare: bool = True
) -> dict[str, tuple[torch.Tensor, int]]:
    """Return for each adapted layer the mean of x x' over the suffixes' tokens, and a number.

    Layers that read the same share the number. ``bare``: in the model without its adapter.
    """
    layers = {name: layer for name, layer in model.named_modules() if hasattr(layer, FIRST)}
    sums: list[_SumOfSquares] = []
    whose: dict[str, int] = {}
    seen: list[Any] = [None, -1]
    counted: Batch = {}

    def hook(name: str) -> Any:
        def see(_: Any, inputs: tuple[torch.Tensor, ...]) -> None:
            given = inputs[0]
            if given is not seen[0]:
                seen[:] = [given, seen[1] + 1]
                number: int = seen[1]
                if number == len(sums):
                    sums.append(_SumOfSquares())
                sums[number].add(reader.asked(given, counted).float().cpu())
            whose[name] = seen[1]

        return see

    hooks = [layer.register_forward_pre_hook(hook(name)) for name, layer in layers.items()]
    learning = model.training
    model.eval()
    try:
        with model.disable_adapter() if bare else nullcontext():
            for first in range(0, len(texts.suffixes), READ_AT_ONCE):
                part = texts.suffixes[first : first + READ_AT_ONCE]
                seen[:] = [None, -1]
                counted = reader.batch(texts.prefix, part, each=True)
                # Nobody looks at the logits, so only the last ones are made.
                read_logits(reader, model, texts.prefix, part)
    finally:
        model.train(learning)
        for each in hooks:
            each.remove()
    tokens = sum(map(len, texts.suffixes))
    return {name: (sums[number].total() / tokens, number) for name, number in whose.items()}


class _SumOfSquares:
    """The sum of x x' over many rows x: some hundred at once in single precision, all in double."""

    AT_ONCE = 500

    def __init__(self) -> None:
        self._waiting: list[torch.Tensor] = []
        self._sum: Any = 0.0

    def add(self, rows: torch.Tensor) -> None:
        """Count ``rows``, shape (rows, inputs)."""
        self._waiting.append(rows)
        if sum(map(len, self._waiting)) >= self.AT_ONCE:
            self._sum = self.total()

    def total(self) -> torch.Tensor:
        """Return the sum, shape (inputs, inputs)."""
        if self._waiting:
            rows = _torch.cat(self._waiting)
            self._waiting.clear()
            self._sum = self._sum + (rows.T @ rows).double()
        return self._sum


@torch.no_grad()
def bring(model: Any, reader: BatchReader, flying: Texts, directions: Directions) -> None:
    """Have an adapter that was trained without ``directions`` read in them what it reads of flying prompts.

    By least squares: with P a layer's directions and F the second moments of what the adapted model feeds it, A becomes
    A F P (P' F P)^-1 P', which leaves A x as it was as nearly as they can tell, and is A itself if that lies in them.
    """
    moments = _moments(model, reader, flying, bare=False)
    for name, layer in model.named_modules():
        if name in directions:
            basis = directions[name].double()
            seen = moments[name][0] @ basis
            inside = basis.T @ seen
            inside += 1e-9 * inside.trace() * _torch.eye(len(inside), dtype=inside.dtype)
            for weights in _reads(layer):
                told = _torch.linalg.solve(inside, (weights.detach().cpu().double() @ seen).T).T
                weights.copy_((told @ basis.T).to(weights.device, weights.dtype))


def _reads(layer: Any) -> list[Any]:
    """Return the matrices by which a layer's adapters read."""
    return list(getattr(layer, FIRST).parameters())


class Aim(_Callback):
    """Brings what an adapter reads back to ``directions`` after every step."""

    def __init__(self, model: Any, directions: Directions) -> None:
        self._pairs = [
            (weights, directions[name].to(weights.device))
            for name, layer in model.named_modules()
            if name in directions
            for weights in _reads(layer)
        ]

    @torch.no_grad()
    def bring_back(self, *, as_large: bool = False) -> None:
        """Leave of every row what lies in the directions; ``as_large``: made as long as it was."""
        for weights, basis in self._pairs:
            kept = (weights.float() @ basis) @ basis.T
            if as_large:
                kept *= weights.float().norm(dim=1, keepdim=True) / kept.norm(dim=1, keepdim=True)
            weights.copy_(kept.to(weights.dtype))

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Begin there."""
        self.bring_back(as_large=state.global_step == 0)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Come back there."""
        self.bring_back()
