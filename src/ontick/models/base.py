"""What is a language model here? Text in, one choice or some text out. It knows no task.

Messages are the chat roles that every template knows: system, user, assistant. A conversation that ends with an
assistant's turn asks for that turn to be continued: its words stand after the answer's header, unfinished.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from ontick.provenance import usable_cores


class Message(NamedTuple):
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Reading(StrEnum):
    """How an answer is taken from a model."""

    SCORE = "score"
    """Compare the choices' tokens at the answer's place: only a legal answer can come out."""
    GENERATE = "generate"
    """Let the model write, and read what it wrote."""


class ModelInfo(NamedTuple):
    """Which weights, as far as it is known."""

    name: str
    backend: str
    """``llama.cpp``, ``transformers`` or ``api``."""
    parameters: int | None
    quantisation: str | None
    """Of the weights: ``Q4_0``, ``bfloat16``, …"""
    readings: tuple[Reading, ...]
    """How it can be asked, the preferred way first."""


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


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model wrote."""

    text: str
    ttft_ms: float | None
    """Time to first token; None when nothing was written."""
    elapsed_ms: float
    prompt_tokens: int | None
    completion_tokens: int | None
    """None where the other side does not count."""
    tokens: tuple[int, ...] | None = None
    """The text's, without the one that ends the turn; None where they cannot be looked at."""


class NoAnswer(Exception):  # noqa: N818 - what happened, as one would say it
    """A question that got no answer, which is no fault of whoever asked; ``kind`` is what records count it under."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(detail or kind)
        self.kind = kind


class LanguageModel(Protocol):
    """A model that answers questions."""

    @property
    def info(self) -> ModelInfo:
        """Which weights, in words that a table can show."""
        ...

    def warm_up(self, messages: Sequence[Message]) -> None:
        """Get ready for prompts that begin as this one does, so that the first decision is as fast as the others.

        Raises:
            OntickError: the model cannot be asked this.
        """
        ...

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        """Return which of ``choices`` the model would answer first, from one reading of the prompt.

        Raises:
            OntickError: two choices are not told apart by one token each after this prompt, the prompt is longer
                than the model's context, or the model cannot be asked this way.
        """
        ...

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        """Return what the model writes, the likeliest token at every step, up to its end of turn or ``max_tokens``.

        Raises:
            OntickError: the prompt is longer than the model's context.
            NoAnswer: whoever runs the model did not answer.
        """
        ...


@runtime_checkable
class LocalModel(LanguageModel, Protocol):
    """A model whose tokens can be looked at."""

    def render(self, messages: Sequence[Message]) -> str:
        """Return the prompt as the model's chat template writes it, up to where the answer begins."""
        ...

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of that prompt."""
        ...

    def answer_tokens(self, messages: Sequence[Message], choices: Sequence[str]) -> list[int]:
        """Return the one token by which each choice would be said after that prompt.

        Raises:
            OntickError: two choices are not told apart by one token each there.
        """
        ...

    def logprobs(self, messages: Sequence[Message], answer: Sequence[int]) -> npt.NDArray[np.float32]:
        """Return how likely every token is at each place of an answer, and after it.

        ``answer`` is tokens, such as a `Completion` has. Row n of the result is for the token that follows the
        prompt and the answer's first n, whatever the answer goes on with: natural logarithms of probabilities,
        shape (len(answer) + 1, vocabulary). With a large vocabulary that is some megabytes.

        Raises:
            OntickError: prompt and answer are longer than the model's context.
        """
        ...

    def text_logprobs(self, text: str) -> npt.NDArray[np.float32]:
        """Return how likely a plain text is, token by token: no chat, and nothing before it but what begins a text.

        Natural logarithms of the probability of each token but the first, given all before it, shape (tokens - 1,).

        Raises:
            OntickError: the text is longer than the model's context.
        """
        ...


class Piece(NamedTuple):
    """What was added to an answer."""

    text: str
    """Nothing, while a character is written in several tokens."""
    token: int | None
    """None: no further token, but what was left of a character."""


@runtime_checkable
class TalkingModel(LanguageModel, Protocol):
    """A model that can hold a conversation while it decides, with the same weights."""

    def room(self, messages: Sequence[Message]) -> int:
        """Return how many tokens an answer may have after ``messages``; below one where they are too long.

        Asked for the first time, before a flight, it gets ready for a conversation.
        """
        ...

    def say(self, messages: Sequence[Message], max_tokens: int) -> Generator[Piece]:
        """Write what `complete` does, piece by piece, while others ask for decisions, which always go first.

        Closing it ends the answer.

        Raises:
            OntickError: the conversation is longer than the model's context, or another answer is being written.
        """
        ...


@dataclass(frozen=True)
class ModelOptions:
    """How a language model is loaded."""

    threads: int | None = None
    """Processor threads for a local model; by default one fewer than the cores, so that the clock keeps one."""
    context_tokens: int = 2048
    """The longest prompt that a local model is given room for."""
    quantisation: str | None = None
    """gguf and smollm2: as-is, fastest, or a kind such as q4_0, q8_0, f16."""
    dtype: str | None = None
    """hf: float32, bfloat16 or float16."""
    device: str | None = None
    """hf: cpu or cuda."""
    adapter: str | None = None
    """hf: a LoRA adapter's folder."""
    backend: str | None = None
    """pilot: llama.cpp or transformers."""
    base_gguf: str | None = None
    """pilot: the GGUF file of the model that it was tuned from."""
    timeout_s: float = 10.0
    """api: when to give a request up."""
    price: tuple[float, float] | None = None
    """api: dollars for a million prompt tokens, and for a million answered ones."""

    @property
    def processor_threads(self) -> int:
        """How many threads a local model computes with."""
        return self.threads or max(1, usable_cores() - 1)
