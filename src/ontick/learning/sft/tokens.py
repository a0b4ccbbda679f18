"""Which tokens is a language model trained on? Those that it will be asked with, and the one that says the action.

The beginning that all examples share is kept once; of each example there is the rest of its prompt, and one token to
learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ontick.errors import OntickError
from ontick.learning.dataset import Demonstrations
from ontick.models.chat import common_prefix
from ontick.models.hf.conversation import Conversation
from ontick.prompts import Prompt
from ontick.records import State

Tokens = Sequence[int]


class Asks(Protocol):
    """How a state is put to a model, in tokens."""

    def prompt_tokens(self, state: State | Sequence[float]) -> list[int]:
        """Return the tokens that the model reads."""
        ...

    def answer_tokens(self, state: State | Sequence[float]) -> list[int]:
        """Return the token of each action after that prompt."""
        ...


class Asker:
    """Puts a task's states to a model that has ``conversation``'s tokenizer, or rows: see `Prompt.asked`."""

    def __init__(self, prompt: Prompt, conversation: Conversation) -> None:
        self.prompt = prompt
        self.conversation = conversation

    def prompt_tokens(self, state: State | Sequence[float]) -> list[int]:
        """Return the tokens that the model reads."""
        return self.conversation.tokens.tokens(self.prompt.asked(state))

    def answer_tokens(self, state: State | Sequence[float]) -> list[int]:
        """Return the token of each action after that prompt.

        Raises:
            OntickError: an action is not said by one token of its own there.
        """
        messages = self.prompt.asked(state)
        return self.conversation.tokens.answers(
            messages, self.conversation.tokens.tokens(messages), self.prompt.choices
        )


class Examples(NamedTuple):
    """What is learnt from, n examples."""

    prefix: list[int]
    """The tokens that every prompt begins with."""
    suffixes: list[npt.NDArray[np.int64]]
    """The rest of each prompt, at least one token."""
    targets: npt.NDArray[np.int64]
    """The token that says the action, shape (n,)."""
    answers: npt.NDArray[np.int64]
    """The tokens that say each action, shape (n, actions)."""
    odds: npt.NDArray[np.float32] | None = None
    """How much each action is to be learnt, shape (n, actions), each row's sum 1; None: the target alone."""

    def whole(self, number: int) -> list[int]:
        """Return an example's whole prompt."""
        return [*self.prefix, *self.suffixes[number].tolist()]


def tokenise(asker: Asker, demos: Demonstrations) -> Examples:
    """Return the tokens of demonstrations.

    Raises:
        OntickError: there are none, or an action is not said by one token of its own.
    """
    if not len(demos):
        raise OntickError("there is not one demonstration to learn from; collect some with: ontick collect")
    # Rounded values repeat, so that there are far fewer prompts than states.
    told: dict[str, tuple[list[int], list[int]]] = {}
    asked: list[str] = []
    for row in demos.rows(asker.prompt.style.pending):
        words = asker.prompt.asked(row)[-1].content
        asked.append(words)
        if words not in told:
            told[words] = asker.prompt_tokens(row), asker.answer_tokens(row)
    shared = shared_prefix([prompt for prompt, _ in told.values()])
    prefix = next(iter(told.values()))[0][:shared]
    rests = {words: np.array(prompt[shared:], dtype=np.int64) for words, (prompt, _) in told.items()}
    answers = np.array([told[words][1] for words in asked], dtype=np.int64)
    return Examples(prefix, [rests[words] for words in asked], answers[np.arange(len(demos)), demos.actions], answers)


def shared_prefix(prompts: Sequence[Tokens]) -> int:
    """Return how many tokens all prompts begin with alike, leaving each of them one at least."""
    shared = min(len(prompt) for prompt in prompts) - 1
    for prompt in prompts[1:]:
        shared = min(shared, common_prefix(prompts[0], prompt))
    return shared


def draw_order(n: int, count: int, seed: int, weights: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.int64]:
    """Return which example is learnt from when, shape (count,), drawn beforehand so that it can be gone on with.

    Without weights each is drawn once before any is drawn again; with weights, shape (n,), each time by chance in
    proportion to them.
    """
    rng = np.random.default_rng(seed)
    if weights is not None:
        return rng.choice(n, size=count, p=weights / weights.sum())
    rounds = [rng.permutation(n) for _ in range(-(-count // n))]
    return np.concatenate(rounds)[:count]


def with_conversations(
    order: npt.NDArray[np.int64], conversations: npt.NDArray[np.int64], parts: int
) -> npt.NDArray[np.int64]:
    """Return the order of both, dealt out to so many parts of equal size; a conversation n is written ~n.

    Raises:
        ValueError: the parts do not divide both.
    """
    dealt = np.concatenate([order.reshape(parts, -1), ~conversations.reshape(parts, -1)], axis=1)
    return dealt.ravel()
