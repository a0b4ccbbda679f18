"""How does a model that is being trained fly? Many states at once, the beginning of all prompts read once.

What stays the same until the weights change is kept: the beginning's keys and values, and the answer to every prompt
that was asked; rounded states come again and again in a flight.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from transformers import cache_utils

from ontick.controllers.leaning import Leaning
from ontick.learning.sft.shared import SharedPrefix, WholePrompts, at_places, placed, read_logits
from ontick.learning.sft.tokens import Asks, Tokens, shared_prefix
from ontick.models.chat import common_prefix
from ontick.models.hf.read import in_eval_mode, keeps_everything

_caches: Any = cache_utils

MOST_AT_ONCE = 32
"""Prompts in one reading: each looks at all others' places, if only to leave them out."""

Answer: TypeAlias = npt.NDArray[np.float32]
"""The logits of the actions' tokens, shape (actions,)."""


class BatchPolicy:
    """The likeliest action's token, for many states at once. Each is what the model alone would answer.

    ``shares`` says whether the model reads prompts in one row (`fitting_reader`).
    """

    def __init__(self, model: Any, asks: Asks, *, shares: bool) -> None:
        self._model = model
        self._asks = asks
        self._row = SharedPrefix(model.config) if shares and keeps_everything(model) else None
        self._whole = WholePrompts()
        self._leaning: Leaning | None = None
        # Episodes ask from threads of their own; PyTorch would keep a pool of threads for each of them.
        self._thread = ThreadPoolExecutor(1, "policy")
        self.forget()

    def forget(self) -> None:
        """Forget what was read: the weights are others now."""
        self._prefix: list[int] = []
        self._cache: Any = None
        self._answered: dict[tuple[int, ...], Answer] = {}

    def even(self, references: npt.NDArray[np.float32]) -> None:
        """Take the leaning that shows in ``references``, shape (n, features), off every answer from now on."""
        self._leaning = Leaning.over(self.scores(references).tolist())

    def decide_many(self, states: npt.NDArray[np.float32]) -> list[int]:
        """Return an action for each of ``states``, shape (n, features)."""
        scores = self.scores(states)
        if self._leaning is not None:
            scores = scores - np.array(self._leaning.logprobs, dtype=np.float32)  # a row's total does not matter
        return scores.argmax(axis=1).tolist()

    def scores(self, states: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return the logits of the actions' tokens in each of ``states``, shape (n, actions)."""
        prompts = [tuple(self._asks.prompt_tokens(state)) for state in states]
        new = {prompt: state for prompt, state in zip(prompts, states, strict=True) if prompt not in self._answered}
        asked = list(new.items())
        for first in range(0, len(asked), MOST_AT_ONCE):
            part = asked[first : first + MOST_AT_ONCE]
            logits = self._thread.submit(self._read, [prompt for prompt, _ in part]).result()
            for (prompt, state), row in zip(part, logits, strict=True):
                self._answered[prompt] = row[self._asks.answer_tokens(state)].numpy()
        return np.stack([self._answered[prompt] for prompt in prompts])

    @torch.no_grad()
    def _read(self, prompts: Sequence[Tokens]) -> torch.Tensor:
        """Return the logits after each prompt, shape (prompts, vocabulary), in float32 on the processor."""
        with in_eval_mode(self._model):
            if self._row is not None:
                return self._read_row(prompts).float().cpu()
            return read_logits(self._whole, self._model, [], prompts).cpu()

    def _read_row(self, prompts: Sequence[Tokens]) -> torch.Tensor:
        assert self._row is not None
        kept = self._kept(prompts)
        batch = placed(self._row.batch(self._prefix[:kept], [prompt[kept:] for prompt in prompts]), self._model)
        tokens, positions, places = batch["input_ids"], batch["position_ids"], batch["places"] - kept
        read = self._model(
            input_ids=tokens[:, kept:],
            position_ids=positions[:, kept:],
            attention_mask=self._row.mask(positions[0], batch["ends"], kept, dtype=self._model.dtype),
            past_key_values=self._cache,
            logits_to_keep=places,
            use_cache=True,
        )
        self._cache.crop(kept - tokens.shape[1])
        return at_places(read.logits[0], places)

    def _kept(self, prompts: Sequence[Tokens]) -> int:
        """Have the beginning that these prompts share with those before in the cache; return its length."""
        shared = shared_prefix(prompts)
        if self._cache is None:
            self._prefix = list(prompts[0][:shared])
        kept = min(shared, *(common_prefix(self._prefix, prompt) for prompt in prompts), len(self._prefix))
        if self._cache is None or kept < len(self._prefix):
            # Made without the model's configuration, every layer keeps everything; the masks follow it all the same.
            self._prefix, self._cache = self._prefix[:kept], _caches.DynamicCache()
            if kept:
                ids = torch.tensor([self._prefix], device=self._model.device)
                self._model(input_ids=ids, past_key_values=self._cache, use_cache=True, logits_to_keep=1)
        return kept
