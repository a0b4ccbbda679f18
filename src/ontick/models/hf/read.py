"""How does a transformers model read a prompt? Only the tokens that differ from the prompt before.

The keys and values of the shared beginning stay in the cache, cut back to it; the last token is always read again,
since its logits are what is asked for. Only the rows of the output head that are compared are computed.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, cast

import torch
import transformers
from torch import nn
from transformers import cache_utils

from ontick.models.chat import common_prefix

_transformers: Any = transformers
_caches: Any = cache_utils


@contextmanager
def in_eval_mode(model: Any) -> Generator[None]:
    """Have ``model`` read as it does when it is not in training, while open."""
    learning = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(learning)


class Reading(NamedTuple):
    """What came of reading a prompt."""

    logits: torch.Tensor
    """At the last position, shape (vocabulary,), or (tokens,) where only those were asked for."""
    kept: int
    """How many of the prompt's tokens were in the cache already."""


class Reader(Protocol):
    """Reads prompts one after another."""

    def read(self, prompt: Sequence[int], tokens: Sequence[int] | None = None) -> Reading:
        """Return the logits after ``prompt``: of ``tokens``, or of the whole vocabulary."""
        ...

    def warm_up(self, prompt: Sequence[int]) -> None:
        """Get ready for prompts that begin as this one does."""
        ...


class ChosenHead(nn.Module):
    """An output head of which a few rows may be asked for; those are computed in float32.

    It stands in the model in the head's place, so that what the model does with logits afterwards (scaling,
    soft-capping) is done to the chosen ones as to all.
    """

    def __init__(self, full: nn.Linear) -> None:
        super().__init__()
        self.full = full
        self._asked = threading.local()

    @property
    def rows(self) -> tuple[torch.Tensor, torch.Tensor | None] | None:
        """What this thread's readings ask for, as `weights_of` returns it; None: all. One may interrupt another's."""
        return getattr(self._asked, "rows", None)

    @rows.setter
    def rows(self, rows: tuple[torch.Tensor, torch.Tensor | None] | None) -> None:
        self._asked.rows = rows

    def weights_of(self, tokens: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the rows of ``tokens``, shape (tokens, hidden), and their biases."""
        chosen = torch.tensor(tokens, device=self.full.weight.device)
        bias: Any = self.full.bias
        return self.full.weight.detach()[chosen].float(), None if bias is None else bias.detach()[chosen].float()

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Return the logits of the chosen rows, or of all where none are chosen."""
        if self.rows is None:
            return self.full(hidden)
        return nn.functional.linear(hidden.float(), *self.rows)


def install_head(model: Any) -> ChosenHead | None:
    """Put a `ChosenHead` into ``model``, or return None where it would not give the logits of the whole head."""
    full = model.get_output_embeddings()
    if type(full) is not nn.Linear:
        return None
    head = ChosenHead(full)
    asked = {"input_ids": torch.tensor([[0, 1]], device=full.weight.device), "logits_to_keep": 1, "use_cache": False}
    tokens = [0, full.out_features // 2, full.out_features - 1]
    with torch.inference_mode():
        whole = model(**asked).logits[0, -1].float()
        model.set_output_embeddings(head)
        head.rows = head.weights_of(tokens)
        few = model(**asked).logits[0, -1].float()
        head.rows = None
    # The bound is that of a head in half precision; a wrong row or a step left out is off by far more.
    bound = 0.02 * float(whole.abs().max())
    if few.shape == (len(tokens),) and bool((whole[tokens] - few).abs().max() <= bound):
        return head
    model.set_output_embeddings(full)
    return None


def keeps_everything(model: Any) -> bool:
    """Say whether the model's memory is keys and values alone, which can be cut back to any length.

    Sliding windows are in the mask; their layers are given a cache that keeps every position all the same.
    """
    plain = (_caches.DynamicLayer, _caches.DynamicSlidingWindowLayer, _caches.DummyLayer)
    return all(type(layer) in plain for layer in _caches.DynamicCache(config=model.config).layers)


class GrowingReader:
    """Reads with a cache that grows by every token and is cut back: for processors."""

    def __init__(self, model: Any, head: ChosenHead | None) -> None:
        self._model = model
        self._head = head
        self._device = model.device
        self._can_cut = keeps_everything(model)
        self._forget()

    def warm_up(self, prompt: Sequence[int]) -> None:
        """Read the prompt."""
        self.read(prompt)

    def keep(self, prompt: Sequence[int]) -> int:
        """Return with how many tokens of ``prompt`` the cache begins, having forgotten what cannot be cut back."""
        kept = common_prefix(self._cached, prompt)
        if not self._can_cut and kept < len(self._cached):
            self._forget()
        return min(kept, len(self._cached))

    @torch.inference_mode()
    def read(self, prompt: Sequence[int], tokens: Sequence[int] | None = None) -> Reading:
        """Return the logits after ``prompt``; see `Reader.read`."""
        kept = min(common_prefix(self._cached, prompt), len(prompt) - 1)
        if not self._can_cut and kept < len(self._cached):  # recurrent layers only go on; else all is read anew
            self._forget()
            kept = 0
        try:
            if kept < len(self._cached):
                self._cache.crop(kept - len(self._cached))
            if self._head is not None:
                self._head.rows = None if tokens is None else self._head.weights_of(tokens)
            new = torch.tensor([prompt[kept:]], device=self._device)
            logits = self._model(input_ids=new, past_key_values=self._cache, use_cache=True, logits_to_keep=1).logits
        except BaseException:  # layers that were not reached lack the new tokens
            self._forget()
            raise
        self._cached = list(prompt)
        return Reading(of_tokens(logits[0, -1], tokens), kept)

    def _forget(self) -> None:
        # Made without the model's configuration, every layer keeps everything; masks still follow the configuration.
        self._cache: Any = _caches.DynamicCache() if self._can_cut else _caches.DynamicCache(config=self._model.config)
        self._cached: list[int] = []


@torch.inference_mode()
def read_whole(model: Any, head: ChosenHead | None, tokens: Sequence[int], rows: int) -> torch.Tensor:
    """Return the logits after each of the last ``rows`` tokens, shape (rows, vocabulary), in float32; no cache."""
    if head is not None:
        head.rows = None
    asked = torch.tensor([list(tokens)], device=model.device)
    return model(input_ids=asked, use_cache=False, logits_to_keep=rows).logits[0].float()


def floats(logits: torch.Tensor) -> list[float]:
    """Return a vector as plain numbers."""
    return cast("Any", logits).tolist()


def of_tokens(logits: torch.Tensor, tokens: Sequence[int] | None) -> torch.Tensor:
    """Return the logits of ``tokens`` from what a head gave, which may be those already."""
    return logits if tokens is None or len(logits) == len(tokens) else logits[list(tokens)]
