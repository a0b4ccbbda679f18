"""How likely does the base model find every word of general conversations, and how far is another model from that?

Of its distribution over the next token the likeliest tokens are kept, with what is left for all others together. Made
once and kept in the cache, as long as the base's weights and the conversations are the same.
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
from ontick.learning.sft.shared import BatchReader, fitting_reader, read_logits
from ontick.learning.sft.talk import Talk
from ontick.models.hf.load import Loaded

LIKELIEST = 64
"""So many tokens are kept of each distribution; 99 % of it, mostly."""

READ_AT_ONCE = 8

_LEAST = 1e-9
"""Of the probability left for all other tokens: a bound that keeps its logarithm finite."""

_torch: Any = torch
_files: Any = safetensors_numpy


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """Conversations, and what the base model thinks at each of their places."""

    talk: Talk
    tokens: tuple[npt.NDArray[np.int32], ...]
    """The likeliest next tokens after each token of a rest but its last, shape (places, likeliest)."""
    logprobs: tuple[npt.NDArray[np.float32], ...]
    """Their log-probabilities, of the same shape."""

    def __len__(self) -> int:
        return len(self.talk)


def rehearsal_of(base: Loaded, talk: Talk, digest: str) -> Rehearsal:
    """Return what ``base`` thinks in ``talk``; ``digest`` is its weights' `base_digest`."""
    whole = [talk.whole(number) for number in range(len(talk))]
    place = cache_file("rehearsals", ".safetensors", digest, str(base.model.dtype), LIKELIEST, len(talk.prefix), whole)
    with suppress(OSError, ValueError, KeyError):
        return _read(place, talk)
    made = _make(base, talk)
    with suppress(OSError):  # it is made anew the next time
        _write(place, made)
    return made


def _make(base: Loaded, talk: Talk) -> Rehearsal:
    rests: list[list[int]] = [rest[:-1].tolist() for rest in talk.chats]
    reader = fitting_reader(base.model, talk.prefix, rests[:4])
    tokens, logprobs = list[npt.NDArray[np.int32]](), list[npt.NDArray[np.float32]]()
    for first in range(0, len(rests), READ_AT_ONCE):
        part = rests[first : first + READ_AT_ONCE]
        best = _likeliest(base.model, reader, talk.prefix, part)
        ends_at = np.cumsum([len(rest) for rest in part])[:-1]
        tokens += np.split(best[0], ends_at)
        logprobs += np.split(best[1], ends_at)
    return Rehearsal(talk, tuple(tokens), tuple(logprobs))


@torch.no_grad()
def _likeliest(
    model: Any, reader: BatchReader, prefix: list[int], suffixes: list[list[int]]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the likeliest tokens after each token of the suffixes, and how likely they are."""
    logits = read_logits(reader, model, prefix, suffixes, each=True)
    best = nn.functional.log_softmax(logits, dim=-1).topk(min(LIKELIEST, logits.shape[-1]), dim=-1)
    return best.indices.cpu().numpy().astype(np.int32), best.values.cpu().numpy()


def _write(place: Path, made: Rehearsal) -> None:
    arrays = {"tokens": np.concatenate(made.tokens), "logprobs": np.concatenate(made.logprobs)}
    with made_whole(place) as partial:
        _files.save_file(arrays, partial)


def _read(place: Path, talk: Talk) -> Rehearsal:
    if not place.exists():
        raise FileNotFoundError(place)
    found: dict[str, npt.NDArray[Any]] = _files.load_file(place)
    places = np.cumsum([len(rest) - 1 for rest in talk.chats])[:-1]
    return Rehearsal(talk, tuple(np.split(found["tokens"], places)), tuple(np.split(found["logprobs"], places)))


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
        known, talk = self._rehearsal, self._rehearsal.talk
        chats = [talk.chats[number].tolist() for number in numbers]
        answered = [np.arange(1, len(talk.chats[n])) >= talk.answers[n] for n in numbers]
        return self._reader.batch(talk.prefix, [chat[:-1] for chat in chats], each=True), {
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
