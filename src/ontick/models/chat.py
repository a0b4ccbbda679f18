"""Which text, and which tokens, is a conversation? And which one token says each choice, in that place?

A chat template is the Jinja program that comes with a model. Everything but the last message is the same at
every decision, so that part is rendered and tokenised once, and a decision costs only what its own words cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ontick.errors import OntickError
from ontick.models.base import Message

PLAIN_TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message.content }}\n{% endfor %}"
"""For a model without a chat template: a base model sees the turns as lines."""

PROMPT_DATE = date(2024, 7, 26)
"""What templates that write today's date are told: a prompt must not depend on the day (Llama 3.2's own default)."""

_STAND_IN = "5tand1n"
"""Rendered in place of the last message's words, to find what the template puts around them."""


class ChatTemplate:
    """A model's chat template; what a template cannot do is done for it.

    A template without a system role (Gemma's) gets the system's words at the head of the first user turn; one
    that can think aloud is told not to; one that writes the date is told `PROMPT_DATE`.
    """

    def __init__(self, source: str | None, *, bos: str, eos: str, model: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        known: dict[str, Any] = environment.globals
        known.update(raise_exception=_raise, strftime_now=PROMPT_DATE.strftime)
        self._model = model
        self._fixed = {"bos_token": bos, "eos_token": eos, "add_generation_prompt": True, "enable_thinking": False}
        try:
            self._template = environment.from_string(source or PLAIN_TEMPLATE)
        except TemplateError as error:
            raise OntickError(f"{model}'s chat template is malformed ({error}); give another model") from error

    def render(self, messages: Sequence[Message]) -> str:
        """Return the prompt, up to where the answer begins; an assistant's turn at the end is left open.

        Raises:
            OntickError: the template refuses this conversation.
        """
        open_turn = messages[-1].content if messages[-1].role == "assistant" else None
        turns = messages if open_turn is None else messages[:-1]
        text = self._apply(turns)
        systems = [message.content.strip() for message in turns if message.role == "system"]
        if isinstance(text, TemplateError) or any(words not in text for words in systems):
            text = self._apply(_system_in_first_user_turn(turns))
        if isinstance(text, TemplateError):
            raise OntickError(f"{self._model}'s chat template refuses the prompt ({text}); give another model")
        return text + (open_turn or "")

    def _apply(self, messages: Sequence[Message]) -> str | TemplateError:
        try:
            return self._template.render(messages=[message._asdict() for message in messages], **self._fixed)
        except TemplateError as error:
            return error


class _Frame(NamedTuple):
    """What stands around the last message of a conversation."""

    before: tuple[Message, ...]
    role: str
    head: list[int]
    """Tokens of the text up to the last special token before the last message's words."""
    opening: str
    """The text between that and the words."""
    closing: str
    """The text after the words."""


class ConversationTokens:
    """Turns conversations into tokens, the part that stays the same only once.

    ``tokenize`` reads the ``special`` tokens in a text as such and adds none. Tokenizers split a text at its
    special tokens first, so the pieces before and after one are tokenised alike apart and together.
    """

    def __init__(
        self, template: ChatTemplate, tokenize: Callable[[str], list[int]], special: Iterable[str], model: str
    ) -> None:
        self._template = template
        self._tokenize = tokenize
        self._special = [token for token in special if token]
        self._model = model
        self._frame: _Frame | None = None
        self._whole_only: set[tuple[Message, ...]] = set()
        self._choice_tokens: dict[tuple[tuple[str, ...], int], list[int]] = {}

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        """Return the tokens of the conversation, up to where the answer begins."""
        turns, begun = messages, ""
        if self._answers_last_question(messages):
            turns, begun = messages[:-1], messages[-1].content
        frame = self._frame_of(turns)
        if frame is None:
            return self._tokenize(self._template.render(messages))
        return frame.head + self._tokenize(frame.opening + turns[-1].content + frame.closing + begun)

    def answers(self, messages: Sequence[Message], prompt: list[int], choices: tuple[str, ...]) -> list[int]:
        """Return the token by which each choice would be said after ``prompt``, the tokens of ``messages``.

        The place is the same at every decision (it ends with the same token), so once per place is enough.

        Raises:
            OntickError: a choice takes more than one token there, or two choices share one.
        """
        place = choices, prompt[-1]
        if place not in self._choice_tokens:
            self._choice_tokens[place] = self._resolve(self._template.render(messages), prompt, choices)
        return self._choice_tokens[place]

    def _resolve(self, text: str, prompt: list[int], choices: tuple[str, ...]) -> list[int]:
        resolved: list[int] = []
        for choice in choices:
            told = self._tokenize(text + choice)
            if told[: len(prompt)] != prompt or len(told) != len(prompt) + 1:
                raise OntickError(
                    f"{self._model} does not say {choice!r} in one token here; use another model or another prompt"
                )
            resolved.append(told[-1])
        if len(set(resolved)) != len(resolved):
            raise OntickError(f"{self._model} says two of {choices} with the same token; use other action words")
        return resolved

    def _answers_last_question(self, messages: Sequence[Message]) -> bool:
        """Say whether this is a conversation that was asked about, and an answer begun: the template adds no more."""
        if messages[-1].role != "assistant" or len(messages) < 2:
            return False
        *before, question = messages[:-1]
        frame = self._frame
        return frame is not None and frame.role == question.role and frame.before == tuple(before)

    def _frame_of(self, messages: Sequence[Message]) -> _Frame | None:
        """Return what stands around the last message, or None where it cannot be told apart from it."""
        before, last = tuple(messages[:-1]), messages[-1]
        frame = self._frame
        if frame is not None and frame.role == last.role and frame.before == before:
            return frame
        if before in self._whole_only or (last.role == "assistant" and before[:-1] in self._whole_only):
            return None
        head, found, closing = self._template.render([*before, Message(last.role, _STAND_IN)]).rpartition(_STAND_IN)
        cut = max((head.rfind(token) + len(token) for token in self._special if token in head), default=0)
        frame = _Frame(before, last.role, self._tokenize(head[:cut]), head[cut:], closing)
        pieces = frame.head + self._tokenize(frame.opening + last.content + closing)
        if not found or pieces != self._tokenize(self._template.render(messages)):
            self._whole_only.add(before)
            return None
        self._frame = frame
        return frame


def common_prefix(a: Sequence[int], b: Sequence[int]) -> int:
    """Return how many tokens two prompts begin with alike."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _system_in_first_user_turn(messages: Sequence[Message]) -> list[Message]:
    system = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [message for message in messages if message.role != "system"]
    for place, turn in enumerate(turns):
        if turn.role == "user":
            turns[place] = Message("user", f"{system}\n\n{turn.content}")
            return turns
    return [Message("user", system), *turns]


def _raise(message: Any) -> NoReturn:
    """Do what templates call ``raise_exception`` for."""
    raise TemplateError(str(message))
