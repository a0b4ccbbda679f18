"""How is a state put into words, and which word stands for which action?

One renderer for acting and for training: what a model is trained on is what it is asked with. Actions are
the digits 0, 1, …, each one token in every tokenizer that counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from ontick.models.base import Message
from ontick.tasks.base import Feature, Task


@dataclass(frozen=True)
class Prompt:
    """A task as a conversation: the instruction, then the state as whole numbers.

    The instruction is the same at every decision, so a model reads it once; it names the numbers, so that the
    state itself, whose tokens are what a decision costs, can do without names.
    """

    task: Task

    @property
    def choices(self) -> tuple[str, ...]:
        """The action vocabulary: the word for action ``i`` is ``choices[i]``."""
        return tuple(str(action) for action in range(len(self.task.actions)))

    def messages(self, state: Iterable[float]) -> list[Message]:
        """Return the conversation that ends with ``state``, shape (features,)."""
        return [Message("system", self._instruction), Message("user", self.describe(state))]

    def describe(self, state: Iterable[float]) -> str:
        """Put a state into words: each feature as a whole number of its last decimal, so 0.12 m/s is ``12``."""
        values = zip(self.task.features, state, strict=True)
        return " ".join(str(round(value * 10**feature.decimals)) for feature, value in values)

    @cached_property
    def _instruction(self) -> str:
        numbers = ", ".join(_scaled(feature) for feature in self.task.features)
        actions = ", ".join(f"{word} = {name}" for word, name in zip(self.choices, self.task.actions, strict=True))
        return f"{self.task.instruction} You are given {numbers}. Answer with one digit: {actions}."


def _scaled(feature: Feature) -> str:
    return f"{feature.name} x {10**feature.decimals}" if feature.decimals else feature.name
