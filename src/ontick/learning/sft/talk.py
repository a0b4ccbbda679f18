"""What does the base model say in general conversations? Where one has no answer yet, its own likeliest one.

What a model is to keep, it says itself, and no other data is needed (self-synthesised rehearsal: Huang et al. 2024,
arXiv:2403.01244). Each answer is made once and kept in the cache, as long as the base's weights are the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from ontick.cache import cache_file, write_json
from ontick.errors import OntickError
from ontick.evaluation.episodes import Progress, silent
from ontick.learning.sft.general import Chat
from ontick.learning.sft.tokens import shared_prefix
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded
from ontick.models.hf.model import end_tokens
from ontick.models.hf.write import write_many


@dataclass(frozen=True, eq=False)
class Talk:
    """Conversations in tokens, each with an answer."""

    prefix: list[int]
    """The tokens that every conversation begins with."""
    chats: tuple[npt.NDArray[np.int32], ...]
    """The rest of each, at least two tokens."""
    answers: tuple[int, ...]
    """Where in the rest of each the assistant's last answer begins."""

    def __len__(self) -> int:
        return len(self.chats)

    def whole(self, number: int) -> list[int]:
        """Return a whole conversation."""
        return [*self.prefix, *self.chats[number].tolist()]


def talk_of(base: Loaded, chats: Sequence[Chat], answer_tokens: int, digest: str, progress: Progress = silent) -> Talk:
    """Return ``chats`` with what ``base`` says, at most ``answer_tokens``; ``digest`` is its weights' `base_digest`.

    Raises:
        OntickError: a conversation is longer than the model's context, or refused by its template.
    """
    conversation = Conversation(base.tokenizer, base.name)
    ends = end_tokens(base)
    asked = [_asked(chat, conversation, min(ends)) for chat in chats]
    place = cache_file("answers", ".json", digest, str(base.model.dtype), answer_tokens)
    said = _said(place)
    silent_ones = [prompt for prompt, answer in asked if not answer and _key(prompt) not in said]
    if silent_ones:
        written = write_many(base.model, silent_ones, answer_tokens, ends, progress)
        said |= {_key(prompt): answer for prompt, answer in zip(silent_ones, written, strict=True)}
        with suppress(OSError):  # they are made anew the next time
            write_json(place, said)
    whole = [[*prompt, *(answer or said[_key(prompt)])] for prompt, answer in asked]
    room: int | None = getattr(base.model.config.get_text_config(), "max_position_embeddings", None)
    if room is not None and max(map(len, whole)) > room:
        raise OntickError(
            f"a conversation has {max(map(len, whole))} tokens and {base.name} reads {room}; leave it out of the file"
        )
    shared = min(shared_prefix(whole), *(len(tokens) - 2 for tokens in whole))
    return Talk(
        whole[0][:shared],
        tuple(np.array(tokens[shared:], dtype=np.int32) for tokens in whole),
        tuple(max(0, len(prompt) - shared) for prompt, _ in asked),
    )


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


def _key(prompt: Sequence[int]) -> str:
    return " ".join(map(str, prompt))


def _said(place: Path) -> dict[str, list[int]]:
    """Return the answers that are kept; none, if the file is damaged or not there."""
    with suppress(OSError, ValueError):
        found: Any = json.loads(place.read_text())
        if isinstance(found, dict) and all(map(_is_answer, cast("Mapping[str, Any]", found).values())):
            return cast("dict[str, list[int]]", found)
    return {}


def _is_answer(found: Any) -> bool:
    return isinstance(found, list) and found != [] and all(isinstance(token, int) for token in cast("list[Any]", found))
