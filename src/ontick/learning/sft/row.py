"""How do many prompts stand in one row, so that what several of them begin with stands there once?

As a tree: each token comes after the tokens before it in its prompt and before all that go on from it, so that those
stand together, up to its end. A token sees the tokens before it whose end lies beyond it: its own prompt, up to itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

import torch

from ontick.learning.sft.tokens import Tokens
from ontick.models.chat import common_prefix

Paths: TypeAlias = list[list[int]]
"""Where each prompt's tokens stand in a row, those of the shared beginning left out."""


class Row(NamedTuple):
    """Several prompts in a row."""

    tokens: torch.Tensor
    """Shape (tokens,)."""
    positions: torch.Tensor
    """Of each token in its own prompt, shape (tokens,)."""
    ends: torch.Tensor
    """Where the tokens end that go on from each, itself included, shape (tokens,)."""
    paths: Paths


def row_of(prefix: Tokens, suffixes: Sequence[Tokens], *, apart: bool = False) -> Row:
    """Return the row of ``prefix`` with each of ``suffixes``, at least one token each.

    ``apart``: only the prefix is shared, so that every token of every suffix has its own place.
    """
    tokens, positions = list(prefix), list(range(len(prefix)))
    paths: Paths = [[] for _ in suffixes]
    ends = dict[int, int]()
    before: Tokens = ()
    path: list[int] = []
    for number in sorted(range(len(suffixes)), key=lambda number: list(suffixes[number])):
        suffix = suffixes[number]
        shared = 0 if apart else common_prefix(before, suffix)
        ends.update(dict.fromkeys(path[shared:], len(tokens)))
        path = path[:shared] + list(range(len(tokens), len(tokens) + len(suffix) - shared))
        tokens += suffix[shared:]
        positions += range(len(prefix) + shared, len(prefix) + len(suffix))
        paths[number], before = path, suffix
    every = [ends.get(place, len(tokens)) for place in range(len(tokens))]
    long = partial(torch.tensor, dtype=torch.long)
    return Row(long(tokens), long(positions), long(every), paths)


def visible(ends: torch.Tensor, cached: int = 0) -> torch.Tensor:
    """Return which tokens of a row each sees, shape (tokens - cached, tokens); the first ``cached`` are not asked."""
    places = torch.arange(len(ends), device=ends.device)
    asking = places[cached:, None]
    return (places[None] <= asking) & (asking < ends[None])
