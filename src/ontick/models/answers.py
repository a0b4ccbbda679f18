"""How do scores become a choice, and likeliest tokens, one after another, a text? Alike for every local backend."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ontick.errors import OntickError
from ontick.models.base import Choice, Completion


def fitting(prompt: list[int], context_tokens: int, model: str) -> list[int]:
    """Return ``prompt`` if a context of so many tokens has room for it.

    Raises:
        OntickError: it has none.
    """
    if len(prompt) > context_tokens:
        raise OntickError(
            f"the prompt has {len(prompt)} tokens and {model} reads {context_tokens}; "
            "give fewer examples, or --model.context-tokens"
        )
    return prompt


def choose_among(scores: Sequence[float], *, prompt_tokens: int, prefix_tokens: int, start_s: float) -> Choice:
    """Return the choice with the largest of ``scores``, logits of the choices' tokens.

    ``start_s`` is when the question came, by ``time.perf_counter``.
    """
    return Choice(
        index=scores.index(max(scores)),
        logprobs=log_shares(scores),
        prefix_tokens=prefix_tokens,
        new_tokens=prompt_tokens - prefix_tokens,
        elapsed_ms=(time.perf_counter() - start_s) * 1e3,
    )


def log_shares(scores: Sequence[float]) -> tuple[float, ...]:
    """Return log-probabilities among the choices alone from their scores, such as logits."""
    top = max(scores)
    log_total = top + math.log(math.fsum(math.exp(score - top) for score in scores))
    return tuple(score - log_total for score in scores)


def write_likeliest(
    prompt: list[int],
    max_tokens: int,
    *,
    likeliest: Callable[[list[int]], int],
    ends: Collection[int] | Callable[[int], bool],
    decode: Callable[[list[int]], str],
    start_s: float,
) -> Completion:
    """Return what follows ``prompt``: the ``likeliest`` token after all those before, up to one that ends the turn."""
    ended = ends if callable(ends) else ends.__contains__
    said: list[int] = []
    ttft_ms = None
    while len(said) < max_tokens:
        token = likeliest([*prompt, *said])
        if ended(token):
            break
        ttft_ms = ttft_ms or (time.perf_counter() - start_s) * 1e3
        said.append(token)
    return Completion(
        text=decode(said),
        ttft_ms=ttft_ms,
        elapsed_ms=(time.perf_counter() - start_s) * 1e3,
        prompt_tokens=len(prompt),
        completion_tokens=len(said),
        tokens=tuple(said),
    )


def normalised(logits: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Return log-probabilities of logits, shape (…, vocabulary), each row normalised in double precision."""
    exact = logits.astype(np.float64)
    exact -= exact.max(axis=-1, keepdims=True)
    return (exact - np.log(np.exp(exact).sum(axis=-1, keepdims=True))).astype(np.float32)
