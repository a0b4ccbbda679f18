"""What is a language model here? Text in, one choice out. It knows no task.

Messages are the chat roles that every template knows: system, user, assistant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the offered answers a model prefers."""

    index: int
    logprobs: tuple[float, ...]
    """Log-probability of each answer, normalised among the answers offered."""
    prefix_tokens: int
    """Prompt tokens that were there already, from the call before."""
    new_tokens: int
    """Prompt tokens that had to be read."""
    elapsed_ms: float


class LanguageModel(Protocol):
    """A model that answers one question at a time; a second caller waits for the first."""

    @property
    def name(self) -> str:
        """Which weights, in words that a table can show."""
        ...

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        """Return which of ``choices`` the model would answer first, from one reading of the prompt.

        Raises:
            OntickError: two choices are not told apart by one token each after this prompt, or the prompt
                is longer than the model's context.
        """
        ...
