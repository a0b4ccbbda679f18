"""What does the base model say in general conversations, and how likely does it find every word there?

Where a conversation has no answer yet, the base's own likeliest one is taken: what a model is to keep, it says itself,
and no other data is needed (self-synthesised rehearsal: Huang et al. 2024, arXiv:2403.01244). Of its distribution over
the next token the likeliest tokens are kept, with what is left for all others together. Made once and kept in the
cache, as long as the base's weights and the conversations are the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import numpy as safetensors_numpy
from torch import nn

from ontick.cache import cache_file, made_whole
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.learning.sft.general import Chat
from ontick.learning.sft.shared import BatchReader, fitting_reader, read_logits
from ontick.learning.sft.tokens import shared_prefix
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded
from ontick.models.hf.model import end_tokens
from ontick.models.hf.write import write_many

LIKELIEST = 64
"""So many tokens are kept of each distribution; 99 % of it, mostly."""

READ_AT_ONCE = 8

_LEAST = 1e-9
"""Of the probability left for all other tokens: a bound that keeps its logarithm finite."""

_torch: Any = torch
_files: Any = safetensors_numpy


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Conversations in tokens, and what the base model thinks at each of their places."""

    prefix: list[int]
    """The tokens that every conversation begins with."""
    chats: tuple[npt.NDArray[np.int32], ...]
    """The rest of each, at least two tokens."""
    answers: tuple[int, ...]
    """Where in the rest of each the assistant's last answer begins."""
    tokens: tuple[npt.NDArray[np.int32], ...]
    """The likeliest next tokens after each token of a rest but its last, shape (places, likeliest)."""
    logprobs: tuple[npt.NDArray[np.float32], ...]
    """Their log-probabilities, of the same shape."""

    def __len__(self) -> int:
        return len(self.chats)


def rehearsal_of(
    base: Loaded, chats: Sequence[Chat], answer_tokens: int, digest: str, progress: Progress = silent
) -> Rehearsal:
    """Return what ``base`` says and thinks in ``chats``; ``digest`` is its weights' `base_digest`.

    Raises:
        OntickError: a conversation is longer than the model's context, or refused by its template.
    """
    conversation = Conversation(base.tokenizer, base.name)
    ends = end_tokens(base)
    asked = [_asked(chat, conversation, min(ends)) for chat in chats]
    place = cache_file("rehearsals", ".safetensors", digest, str(base.model.dtype), LIKELIEST, answer_tokens, asked)
    with suppress(OSError, ValueError, KeyError):
        return _read(place)
    made = _make(base, asked, answer_tokens, ends, progress)
    with suppress(OSError):  # it is made anew the next time
        _write(place, made)
    return made


_Asked = tuple[list[int], list[int]]
"""A conversation's tokens up to the answer, and the answer's, empty if there is none."""


def _asked(chat: Chat, conversation: Conversation, end: int) -> _Asked:
    """Return a conversation in tokens; an answer that is there is closed by a token that ends a turn."""
    *before, last = chat
    if last.role != "assistant":
        return conversation.tokens.tokens(chat), []
    text = conversation.template.render(before)
    prompt = conversation.tokenize(text)
    whole = conversation.tokenize(text + last.content)
    if whole[: len(prompt)] != prompt:
        raise OntickError(f"the answer {last.content[:40]!r} runs into its question's tokens; begin it with a letter")
    return prompt, [*whole[len(prompt) :], end]


def _make(
    base: Loaded, asked: Sequence[_Asked], answer_tokens: int, ends: frozenset[int], progress: Progress
) -> Rehearsal:
    silent_ones = [number for number, (_, answer) in enumerate(asked) if not answer]
    written = write_many(base.model, [asked[number][0] for number in silent_ones], answer_tokens, ends, progress)
    answers = [answer for _, answer in asked]
    for number, answer in zip(silent_ones, written, strict=True):
        answers[number] = answer
    whole = [[*prompt, *answer] for (prompt, _), answer in zip(asked, answers, strict=True)]
    room: int | None = getattr(base.model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and max(map(len, whole)) > room:
        raise OntickError(
            f"a conversation has {max(map(len, whole))} tokens and {base.name} reads {room}; leave it out of the file"
        )
    shared = min(shared_prefix(whole), *(len(tokens) - 2 for tokens in whole))
    prefix, rests = whole[0][:shared], [tokens[shared:] for tokens in whole]
    reader = fitting_reader(base.model, prefix, [rest[:-1] for rest in rests[:4]])
    tokens, logprobs = list[npt.NDArray[np.int32]](), list[npt.NDArray[np.float32]]()
    for first in range(0, len(rests), READ_AT_ONCE):
        part = rests[first : first + READ_AT_ONCE]
        best = _likeliest(base.model, reader, prefix, [rest[:-1] for rest in part])
        ends_at = np.cumsum([len(rest) - 1 for rest in part])[:-1]
        tokens += np.split(best[0], ends_at)
        logprobs += np.split(best[1], ends_at)
    return Rehearsal(
        prefix,
        tuple(np.array(rest, dtype=np.int32) for rest in rests),
        tuple(max(0, len(prompt) - shared) for prompt, _ in asked),
        tuple(tokens),
        tuple(logprobs),
    )


@torch.no_grad()
def _likeliest(
    model: Any, reader: BatchReader, prefix: list[int], suffixes: list[list[int]]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the likeliest tokens after each token of the suffixes, and how likely they are."""
    logits = read_logits(reader, model, prefix, suffixes, each=True)
    best = nn.functional.log_softmax(logits, dim=-1).topk(min(LIKELIEST, logits.shape[-1]), dim=-1)
    return best.indices.cpu().numpy().astype(np.int32), best.values.cpu().numpy()


def _write(place: Path, made: Rehearsal) -> None:
    arrays = {
        "prefix": np.array(made.prefix, dtype=np.int32),
        "lengths": np.array([len(rest) for rest in made.chats], dtype=np.int32),
        "chats": np.concatenate(made.chats),
        "answers": np.array(made.answers, dtype=np.int32),
        "tokens": np.concatenate(made.tokens),
        "logprobs": np.concatenate(made.logprobs),
    }
    with made_whole(place) as partial:
        _files.save_file(arrays, partial)


def _read(place: Path) -> Rehearsal:
    if not place.exists():
        raise FileNotFoundError(place)
    found: dict[str, npt.NDArray[Any]] = _files.load_file(place)
    ends = np.cumsum(found["lengths"])
    places = np.cumsum(found["lengths"] - 1)[:-1]
    return Rehearsal(
        found["prefix"].tolist(),
        tuple(np.split(found["chats"], ends[:-1])),
        tuple(found["answers"].tolist()),
        tuple(np.split(found["tokens"], places)),
        tuple(np.split(found["logprobs"], places)),
    )


class Keeper:
    """Keeps a model near what is rehearsed: ``kl`` and ``replay`` weigh the two ways, nats a token.

    ``reader`` reads the model's batches (`fitting_reader`).
    """

    def __init__(self, rehearsal: Rehearsal, reader: BatchReader, *, kl: float, replay: float) -> None:
        self._rehearsal = rehearsal
        self._reader = reader
        self._kl, self._replay = kl, replay

    def __len__(self) -> int:
        return len(self._rehearsal)

    def batch(self, numbers: Sequence[int]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return the conversations with some numbers as the reader's batch, and what is to be kept of them."""
        known = self._rehearsal
        chats = [known.chats[number].tolist() for number in numbers]
        answered = [np.arange(1, len(known.chats[n])) >= known.answers[n] for n in numbers]
        return self._reader.batch(known.prefix, [chat[:-1] for chat in chats], each=True), {
            "next": torch.tensor([token for chat in chats for token in chat[1:]]),
            "answered": torch.tensor(np.concatenate(answered)),
            "likeliest": torch.tensor(np.concatenate([known.tokens[n] for n in numbers]).astype(np.int64)),
            "logprobs": torch.tensor(np.concatenate([known.logprobs[n] for n in numbers])),
        }

    def loss(self, logits: torch.Tensor, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return what the rehearsal costs: the divergence at every place, and the surprise at the answers.

        ``logits`` are the model's at the batch's places, shape (places, vocabulary); ``batch`` is what is to be kept.
        """
        said = nn.functional.log_softmax(logits.float(), dim=-1)
        total = said.new_zeros(())
        if self._kl:
            total = total + self._kl * divergence(batch["logprobs"], said.gather(1, batch["likeliest"]))
        if self._replay:
            surprise = -said.gather(1, batch["next"][:, None])[:, 0]
            total = total + self._replay * surprise[batch["answered"]].mean()
        return total


def divergence(base: torch.Tensor, model: torch.Tensor) -> torch.Tensor:
    """Return the mean KL(base || model) in nats, by the log-probabilities of a few tokens, shape (places, tokens).

    All other tokens count as one, so that it is a lower bound of the divergence over the whole vocabulary.
    """
    p, q = base.exp(), model.exp()
    rest, left = ((1 - shares.sum(dim=-1)).clamp(min=_LEAST) for shares in (p, q))
    return ((p * (base - model)).sum(dim=-1) + rest * (rest.log() - left.log())).mean()
