"""What do some texts do in the layers that an adapter changes? What each is given, and what hangs on what it gives.

Both are found in the model without its adapter, in one reading of every text.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import nn

from ontick.learning.sft.adapter import adapted
from ontick.learning.sft.shared import Batch, BatchReader, placed, read_logits
from ontick.learning.sft.sketch import Curvature, Sketch
from ontick.learning.sft.tokens import Tokens
from ontick.models.hf.read import in_eval_mode

_torch: Any = torch

READ_AT_ONCE = 16
"""Texts in one reading."""

FOLLOWED_AT_ONCE = 8
"""Texts in one reading that is followed back."""


class Texts(NamedTuple):
    """What is read to learn what layers are given."""

    prefix: Tokens
    """What all begin with; it does not count."""
    suffixes: Sequence[Tokens]
    """The rest of each."""


@torch.no_grad()
def second_moments(model: Any, reader: BatchReader, texts: Texts) -> dict[str, tuple[torch.Tensor, int]]:
    """Return for each adapted layer, its adapter left out, the mean of x x' over the suffixes' tokens, and a number.

    Layers that read the same share the number.
    """
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
                sums[number].add(reader.asked(given, counted).float())
            whose[name] = seen[1]

        return see

    hooks = [layer.register_forward_pre_hook(hook(name)) for name, layer in adapted(model).items()]
    with watched(model, hooks), model.disable_adapter():
        for first in range(0, len(texts.suffixes), READ_AT_ONCE):
            part = texts.suffixes[first : first + READ_AT_ONCE]
            seen[:] = [None, -1]
            counted = placed(reader.batch(texts.prefix, part, each=True), model)
            # Nobody looks at the logits, so only the last ones are made.
            read_logits(reader, model, texts.prefix, part)
    tokens = sum(map(len, texts.suffixes))
    return {name: (sums[number].total() / tokens, number) for name, number in whose.items()}


def sensitivities(model: Any, reader: BatchReader, texts: Texts, seed: int = 0) -> dict[str, Curvature]:
    """Return for each adapted layer, its adapter left out, roughly the mean of g g' over the suffixes' tokens.

    With a next token drawn after every token of a text, as likely as the model finds it, g is how the log-likelihood of
    all of them changes with what the layer puts out at one token: the rows of the Fisher information.
    """
    sketches: dict[str, Sketch] = {}
    counted: Batch = {}

    def hook(name: str) -> Any:
        def heard(slopes: torch.Tensor) -> None:
            rows = reader.asked(slopes, counted).float()
            if name not in sketches:
                sketches[name] = Sketch(rows.shape[1], seed)
            sketches[name].add(rows)

        def see(_: Any, inputs: Any, output: Any) -> None:
            output.register_hook(heard)

        return see

    def follow(_: Any, inputs: Any, output: torch.Tensor) -> torch.Tensor:
        return output.detach().requires_grad_()

    hooks = [layer.register_forward_hook(hook(name)) for name, layer in adapted(model).items()]
    hooks.append(model.get_input_embeddings().register_forward_hook(follow))
    drawn = _torch.Generator(model.device).manual_seed(seed)
    with watched(model, hooks), model.disable_adapter(), _torch.enable_grad():
        for first in range(0, len(texts.suffixes), FOLLOWED_AT_ONCE):
            part = texts.suffixes[first : first + FOLLOWED_AT_ONCE]
            counted = placed(reader.batch(texts.prefix, part, each=True, apart=True), model)
            said: Any = nn.functional.log_softmax(reader.logits(model, counted).float(), dim=-1)
            tokens = _torch.multinomial(said.detach().exp(), 1, generator=drawn)
            said.gather(1, tokens).sum().backward()
    return {name: sketch.curvature() for name, sketch in sketches.items()}


@contextmanager
def watched(model: Any, hooks: Sequence[Any]) -> Generator[None]:
    """Have ``model`` read, and not as in training, while open; take its hooks off afterwards."""
    try:
        with in_eval_mode(model):
            yield
    finally:
        for hook in hooks:
            hook.remove()


class _SumOfSquares:
    """The sum of x x' over many rows x, where they are: some hundred at once in single precision, all in double."""

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
