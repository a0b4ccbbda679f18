"""How does a transformers model write many answers at once? By its own ``generate``, the likeliest token each time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ontick.models.hf.load import quiet
from ontick.models.hf.read import in_eval_mode

AT_ONCE = 16


@torch.no_grad()
def write_many(
    model: Any, prompts: Sequence[Sequence[int]], max_tokens: int, ends: frozenset[int], progress: Any = None
) -> list[list[int]]:
    """Return what follows each of ``prompts``, in tokens, up to one of ``ends`` (included) or ``max_tokens``."""
    written: list[list[int]] = [[] for _ in prompts]
    # Prompts of like length are read together: little is filled up.
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    with in_eval_mode(model):
        for first in range(0, len(order), AT_ONCE):
            if progress is not None:
                progress(first, len(order), "the base answers")
            part = order[first : first + AT_ONCE]
            for number, tokens in zip(part, _write(model, [prompts[n] for n in part], max_tokens, ends), strict=True):
                written[number] = tokens
    return written


def _write(model: Any, prompts: Sequence[Sequence[int]], max_tokens: int, ends: frozenset[int]) -> list[list[int]]:
    longest = max(map(len, prompts))
    end = min(ends)
    ids = torch.full((len(prompts), longest), end)
    seen = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(list(prompt))
        seen[row, longest - len(prompt) :] = 1
    with quiet():
        found = model.generate(
            input_ids=ids.to(model.device),
            attention_mask=seen.to(model.device),
            max_new_tokens=max_tokens,
            do_sample=False,
            num_beams=1,
            temperature=None,
            top_p=None,
            top_k=None,
            repetition_penalty=1.0,
            eos_token_id=sorted(ends),
            pad_token_id=end,
        )
    return [_up_to(tokens, ends) for tokens in found[:, longest:].tolist()]


def _up_to(tokens: list[int], ends: frozenset[int]) -> list[int]:
    last = next((place for place, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[: last + 1]
