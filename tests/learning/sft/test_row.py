"""Prompts in one row: each stands there whole, what they share once; attention in blocks is the plain formula."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ontick.learning.sft.blocks import SHORT, attention, blocks_of
from ontick.learning.sft.row import row_of, visible

_torch: Any = torch
_functional: Any = nn.functional


def listed(tensor: Any) -> Any:
    return tensor.tolist()


prefixes = st.lists(st.integers(0, 2), max_size=20)
# Few tokens, so that many begin alike, are the same, or go on from one another; some far longer than the others.
suffixes = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=6) | st.lists(st.integers(0, 2), min_size=30, max_size=50),
    min_size=1,
    max_size=12,
)


@given(prefix=prefixes, rests=suffixes, apart=st.booleans())
def test_every_prompt_stands_in_its_row_and_sees_itself_alone(
    prefix: list[int], rests: list[list[int]], apart: bool
) -> None:
    row = row_of(prefix, rests, apart=apart)
    seen = visible(row.ends)
    for rest, path in zip(rests, row.paths, strict=True):
        whole = [*range(len(prefix)), *path]
        assert listed(row.tokens[whole]) == prefix + rest
        assert listed(row.positions[whole]) == list(range(len(whole)))
        for place in range(len(whole)):
            assert listed(seen[whole[place]].nonzero()[:, 0]) == whole[: place + 1]


@given(prefix=prefixes, rests=suffixes)
def test_what_prompts_begin_with_stands_there_once(prefix: list[int], rests: list[list[int]]) -> None:
    beginnings = {tuple(rest[:length]) for rest in rests for length in range(1, len(rest) + 1)}
    assert len(row_of(prefix, rests).tokens) == len(prefix) + len(beginnings)


@given(prefix=prefixes, rests=suffixes)
def test_apart_no_token_is_of_two_prompts(prefix: list[int], rests: list[list[int]]) -> None:
    paths = row_of(prefix, rests, apart=True).paths
    places = [place for path in paths for place in path]
    assert sorted(places) == list(range(len(prefix), len(prefix) + sum(map(len, rests))))


@given(prefix=prefixes, rests=suffixes, cached=st.integers(0, 20))
def test_what_is_cached_is_not_asked(prefix: list[int], rests: list[list[int]], cached: int) -> None:
    ends = row_of(prefix, rests).ends
    cached = min(cached, len(prefix))
    assert torch.equal(visible(ends, cached), visible(ends)[cached:])


@given(prefix=prefixes, rests=suffixes)
def test_blocks_ask_every_token_once_about_all_that_it_sees(prefix: list[int], rests: list[list[int]]) -> None:
    ends = row_of(prefix, rests).ends
    seen, cut = visible(ends), blocks_of(ends)
    asking = torch.cat([block.asking.flatten() for block in cut.blocks])
    assert listed(asking[cut.order]) == list(range(len(ends)))
    for block in cut.blocks:
        for asking_row, asked_row in zip(block.asking, block.asked, strict=True):
            for token in listed(asking_row):
                looked_at = [place for place in listed(asked_row) if seen[token, place]]
                assert sorted(looked_at) == listed(seen[token].nonzero()[:, 0])


def test_short_stretches_are_computed_together_whatever_long_ones_there_are() -> None:
    rests = [[number] * (1 + number % SHORT) for number in range(40)] + [[50 + number] * 200 for number in range(3)]
    blocks = blocks_of(row_of([], rests).ends).blocks
    assert [tuple(block.asking.shape) for block in blocks] == [(40, SHORT), (3, 200)]


@given(
    prefix=prefixes,
    rests=suffixes,
    shape=st.sampled_from([(1, 1, 4), (2, 1, 4), (4, 2, 8), (9, 3, 4)]),
    window=st.integers(1, 60),
    seed=st.integers(0, 1000),
)
@settings(max_examples=50)
def test_attention_in_blocks_is_the_plain_formula_and_has_its_gradient(
    prefix: list[int], rests: list[list[int]], shape: tuple[int, int, int], window: int, seed: int
) -> None:
    heads, key_heads, size = shape
    row, drawn = row_of(prefix, rests), _torch.Generator().manual_seed(seed)
    tokens = len(row.tokens)
    mask = (visible(row.ends) & (row.positions[:, None] - row.positions[None] < window))[None, None]
    given = [torch.randn(1, count, tokens, size, generator=drawn) for count in (heads, key_heads, key_heads)]
    query, key, value = (each.requires_grad_() for each in given)
    found, _ = attention(nn.Identity(), query, key, value, mask, blocks=blocks_of(row.ends), scaling=0.7)
    sharing = heads // key_heads
    every = [each.repeat_interleave(sharing, dim=1) for each in (key, value)]
    expected = _functional.scaled_dot_product_attention(query, *every, attn_mask=mask, scale=0.7).transpose(1, 2)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    upstream = torch.randn(expected.shape, generator=drawn)
    ours, plain = (_torch.autograd.grad(out, (query, key, value), upstream) for out in (found, expected))
    for gradient, other in zip(ours, plain, strict=True):
        torch.testing.assert_close(gradient, other, atol=1e-4, rtol=1e-3)
