"""Which general conversations does a model rehearse while it learns to act? Ours, or a user's own chats.

A file holds one JSON object a line, ``{"messages": [{"role": "user", "content": "What is rain?"}]}``, in the roles
that chat templates know. A conversation that ends with the user's words is answered by the base model itself; one that
ends with an assistant's is rehearsed as it stands.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

from ontick.json_lines import read_lines
from ontick.learning.sft.settings import SHIPPED
from ontick.models.base import Message

PROMPTS = Path(__file__).with_name("general.jsonl")

ROLES = ("system", "user", "assistant")

EXAMPLE = '{"messages": [{"role": "user", "content": "What is rain?"}]}'

Chat: TypeAlias = tuple[Message, ...]
"""A conversation; the assistant has the last word, or is to have it."""


def choose_chats(word: str) -> tuple[Chat, ...]:
    """Return the conversations that ``word`` means: ``shipped``, or those of a file.

    Raises:
        OntickError: there is no such file, or it is malformed.
    """
    return read_chats(PROMPTS if word == SHIPPED else Path(word).expanduser())


def read_chats(path: Path) -> tuple[Chat, ...]:
    """Read a file of conversations, in its order; empty lines are passed over.

    Raises:
        OntickError: there is no such file, it holds no conversation, or one of its lines is none.
    """
    return read_lines(
        path,
        _chat,
        what="conversation",
        example=EXAMPLE,
        instead=f"give --keep.conversations {SHIPPED} or a file",
        empty=f"write one a line: {EXAMPLE}",
    )


def chats_digest(chats: Sequence[Chat]) -> str:
    """Return which conversations these are, to the last letter: the first 16 digits of a SHA-256."""
    return hashlib.sha256(json.dumps(chats).encode()).hexdigest()[:16]


def _chat(row: Any) -> Chat:
    found = cast("dict[str, Any]", row).get("messages") if isinstance(row, dict) else None
    if not isinstance(found, list) or not found:
        raise TypeError("it has no list of messages")
    chat = tuple(map(_message, cast("list[Any]", found)))
    if chat[-1].role == "system" or all(message.role != "user" for message in chat):
        raise ValueError("no user's words to answer")
    return chat


def _message(turn: Any) -> Message:
    fields = cast("dict[str, Any]", turn) if isinstance(turn, dict) else {}
    role, content = fields.get("role"), fields.get("content")
    if role not in ROLES:
        raise ValueError(f"the role {role!r} is none of {', '.join(ROLES)}")
    if not isinstance(content, str) or not content.strip():
        raise TypeError("a message without words")
    return Message(role, content)
