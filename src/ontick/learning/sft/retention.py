"""How much of what its base model knows is left in a model that is being trained? Measured beside its flights.

Three measures: ordinary questions that the base answers right, the perplexity of a general text that nothing is trained
on, and how far the model has moved from its base on the flying prompts themselves, over the whole vocabulary.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from ontick.cache import cache_file, write_json
from ontick.evaluation.questions import Question
from ontick.evaluation.retention import ANSWER_TOKENS, perplexity, read_prose
from ontick.learning.sft.shared import WholePrompts, read_logits
from ontick.learning.sft.tokens import Tokens
from ontick.models.base import Message
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded
from ontick.models.hf.model import end_tokens
from ontick.models.hf.read import in_eval_mode
from ontick.models.hf.write import write_many
from ontick.records import Json

READ_AT_ONCE = 8
"""Texts, and prompts, in one reading."""


class Spoken(NamedTuple):
    """What a model says that has nothing to do with flying."""

    answers: list[str]
    """To each question."""
    perplexity: float
    """Of the general text."""


@dataclass(frozen=True, eq=False)
class Known:
    """What a model knows and thinks."""

    right: tuple[bool, ...]
    """Which questions it answers right."""
    perplexity: float
    """Of the general text."""
    flying: torch.Tensor
    """How likely it finds every token after some flying prompts: natural logarithms, shape (prompts, vocabulary)."""


class Retention:
    """Compares a model with its base.

    Args:
        base: the model that it was made from, with the tokenizer of both.
        questions: what is asked.
        prompts: some flying prompts, in tokens.
        digest: of the base's weights; what it says is kept in the cache by that.
    """

    def __init__(self, base: Loaded, questions: Sequence[Question], prompts: Sequence[Tokens], digest: str) -> None:
        conversation = Conversation(base.tokenizer, base.name)
        self._questions = tuple(questions)
        self._asked = [conversation.tokens.tokens([Message("user", question.text)]) for question in questions]
        self._prose: list[list[int]] = [base.tokenizer(paragraph).input_ids for paragraph in read_prose()]
        self._prompts = [list(prompt) for prompt in prompts]
        self._tokenizer, self._ends = base.tokenizer, end_tokens(base)
        asked = (digest, str(base.model.dtype), ANSWER_TOKENS, self._asked, self._prose)
        self._base = self._known(base.model, cache_file("spoken", ".json", *asked))

    def measure(self, model: Any) -> Json:
        """Return what is left of the base's knowledge in ``model``.

        ``kept`` is the share of the base's right answers that are still right, times how little the perplexity has
        risen: 1 is all, and no more than all is ever kept.
        """
        base, found = self._base, self._known(model)
        right = sum(base.right)
        still = sum(now for now, before in zip(found.right, base.right, strict=True) if before)
        share, ratio = still / right if right else 1.0, found.perplexity / base.perplexity
        moved = (base.flying.exp() * (base.flying - found.flying)).sum(dim=-1).mean()
        return {
            "questions": len(found.right),
            "right": sum(found.right),
            "base_right": right,
            "still_right": still,
            "still_right_share": share,
            "perplexity": found.perplexity,
            "base_perplexity": base.perplexity,
            "perplexity_ratio": ratio,
            "kl_flying_nats": float(moved),
            "kept": share * min(1.0, 1 / ratio),
        }

    @torch.no_grad()
    def _known(self, model: Any, place: Path | None = None) -> Known:
        with in_eval_mode(model):
            spoken = self._spoken(model) if place is None else self._spoken_once(model, place)
            flying = torch.stack([said[-1] for said in self._read(model, self._prompts, each=False)])
        right = tuple(q.right(answer) for q, answer in zip(self._questions, spoken.answers, strict=True))
        return Known(right, spoken.perplexity, flying)

    def _spoken_once(self, model: Any, place: Path) -> Spoken:
        kept = _kept(place, len(self._questions))
        if kept is not None:
            return kept
        spoken = self._spoken(model)
        with suppress(OSError):  # it is asked anew the next time
            write_json(place, spoken._asdict())
        return spoken

    def _spoken(self, model: Any) -> Spoken:
        written = write_many(model, self._asked, ANSWER_TOKENS, self._ends)
        answers = [self._tokenizer.decode(tokens, skip_special_tokens=True) for tokens in written]
        read = self._read(model, [text[:-1] for text in self._prose])
        surprises = [
            said.gather(1, torch.tensor(text[1:])[:, None])[:, 0].numpy().astype(np.float32)
            for text, said in zip(self._prose, read, strict=True)
        ]
        return Spoken(answers, perplexity(surprises))

    def _read(self, model: Any, texts: Sequence[Tokens], *, each: bool = True) -> list[torch.Tensor]:
        """Return the log-probabilities after each token of each text, or after its last only."""
        read = list[torch.Tensor]()
        for first in range(0, len(texts), READ_AT_ONCE):
            part = texts[first : first + READ_AT_ONCE]
            logits = read_logits(WholePrompts(), model, [], part, each=each)
            said: Any = nn.functional.log_softmax(logits, dim=-1).cpu()
            read += said.split([len(text) if each else 1 for text in part])
        return read


def _kept(place: Path, questions: int) -> Spoken | None:
    """Return what was said before; None: nothing, or the file is damaged."""
    with suppress(OSError, ValueError, TypeError):
        spoken = Spoken(**json.loads(place.read_text()))
        if len(spoken.answers) == questions and spoken.perplexity > 0:
            return spoken
    return None
