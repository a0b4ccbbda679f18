"""How is attention computed only where a row's tokens see one another?

The row is cut after every token that none goes on from. What lies between two cuts is a stretch of one prompt, and sees
what its last token sees: far fewer tokens than the row has. Stretches of some length are computed together, filled up
with places that they do not see. The formula is the plain one, softmax(q k' / sqrt(d) + mask) v; processors have no
kernel that is fast at it in so small pieces, so it is written as products of matrices.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import torch
import transformers
from torch import nn

from ontick.learning.sft.row import visible

_torch: Any = torch
_transformers: Any = transformers
_functional: Any = nn.functional

NAME = "ontick-in-blocks"
"""By which transformers knows this attention."""

INSTEAD_OF = "sdpa"
"""The attention that it computes the same as."""

SHORT = 16
"""Stretches up to so many tokens are computed together, longer ones with those of up to twice their length."""


class Block(NamedTuple):
    """Stretches that are computed together."""

    asking: torch.Tensor
    """Places in the row, shape (stretches, tokens); shorter ones are filled up with any place."""
    asked: torch.Tensor
    """What they see at most, shape (stretches, seen tokens); filled up with places that none of them sees."""


class Blocks(NamedTuple):
    """A row, cut."""

    blocks: Sequence[Block]
    order: torch.Tensor
    """Where each place of the row comes in what the blocks give, one after another, shape (tokens,)."""


def blocks_of(ends: torch.Tensor) -> Blocks:
    """Return the blocks of a row, by where what goes on from each token ends (`Row.ends`)."""
    total, seen = len(ends), visible(ends)
    cuts = [0, *(place + 1 for place, end in enumerate(ends.numpy().tolist()) if end == place + 1)]
    stretches = sorted((range(first, cut) for first, cut in pairwise(cuts)), key=_size)
    blocks: list[Block] = []
    for _, alike in groupby(stretches, key=_size):
        group = [(stretch, seen[stretch[-1]].nonzero()[:, 0].numpy().tolist()) for stretch in alike]
        longest, widest = max(len(asking) for asking, _ in group), max(len(asked) for _, asked in group)
        # The token before a stretch ends another prompt's, the row's last too: neither is seen from here.
        asking = [_filled(asking, asking[-1], longest) for asking, _ in group]
        asked = [_filled(asked, (asking[0] - 1) % total, widest) for asking, asked in group]
        blocks.append(Block(torch.tensor(asking), torch.tensor(asked)))
    given = _torch.cat([block.asking.flatten() for block in blocks]).tolist()
    where = {token: place for place, token in enumerate(given)}  # one that fills up is asked the same
    return Blocks(blocks, torch.tensor([where[token] for token in range(total)]))


def _size(stretch: range) -> int:
    return max(SHORT, 1 << (len(stretch) - 1).bit_length())


def _filled(places: Sequence[int], fill: int, length: int) -> list[int]:
    return [*places, *[fill] * (length - len(places))]


@contextmanager
def in_blocks(config: Any) -> Generator[None]:
    """Have a model of this configuration compute attention in the ``blocks`` that it is called with, while open."""
    text = config.get_text_config()
    before = text._attn_implementation
    text._attn_implementation = NAME
    try:
        yield
    finally:
        text._attn_implementation = before


def can_be_in_blocks(config: Any) -> bool:
    """Say whether a model of this configuration computes the attention that this can stand in for."""
    return getattr(config.get_text_config(), "_attn_implementation", None) == INSTEAD_OF


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    blocks: Blocks,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Return what the attention of one row gives, shape (1, tokens, heads, size), as transformers asks for it.

    Args:
        module: the layer.
        query: shape (1, heads, tokens, size).
        key: shape (1, key heads, tokens, size); so many heads share one of them that they come out even.
        value: shape (1, key heads, tokens, value size).
        attention_mask: which tokens each sees, shape (1, 1, tokens, tokens), all of them visible in the row.
        blocks: the row, cut.
        scaling: of the products; None: 1 / sqrt(size).
        dropout: the share of what is seen that is left out by chance.
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    given: list[torch.Tensor] = []
    for block in blocks.blocks:
        keys, values = (_picked(each, block.asked) for each in (key, value))
        asking = _picked(query, block.asking)
        stretches, heads, tokens, size = asking.shape
        sharing = heads // keys.shape[1]
        # The heads that share a key's are more rows of one product.
        scores = asking.reshape(stretches, -1, sharing * tokens, size) @ keys.transpose(2, 3) * scale
        seen = attention_mask[0, 0][block.asking[:, :, None], block.asked[:, None]].repeat(1, sharing, 1)[:, None]
        weights = scores.float().masked_fill(~seen, -torch.inf).softmax(dim=-1).to(values.dtype)
        mixed = _functional.dropout(weights, dropout, module.training) @ values
        given.append(mixed.reshape(stretches, heads, tokens, -1).transpose(1, 2).flatten(0, 1))
    return _torch.cat(given).index_select(0, blocks.order)[None], None


def _picked(each: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return what stands at ``places``, shape (stretches, heads, tokens, size)."""
    picked = _torch.index_select(each[0].transpose(0, 1), 0, places.flatten())
    return picked.unflatten(0, places.shape).transpose(1, 2)


_transformers.AttentionInterface.register(NAME, attention)
