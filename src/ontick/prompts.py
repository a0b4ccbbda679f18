"""How is a state put into words, and which word stands for which action?

One renderer for acting and for training: what a model is trained on is what it is asked with. Actions are
the digits 0, 1, …, each one token in every tokenizer that counts. A prompt is data: `PromptStyle` is what the
command line sets and the record keeps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np

from ontick.dead_time import NO_MORE, UNDECIDED
from ontick.errors import OntickError, unknown_name
from ontick.models.base import Message, NoAnswer
from ontick.plans import WrittenPlan, check_writable, every_word, plan_of, read_plan
from ontick.records import State
from ontick.tasks.base import Task
from ontick.wording import READERS, WRITERS, Numbers, explain


class ExamplesIn(StrEnum):
    """Where examples stand."""

    TURNS = "turns"
    """Each a question and an answer of the conversation before."""
    SYSTEM = "system"
    """In a list at the end of the instruction."""


class Layout(StrEnum):
    """Where the state stands."""

    CHAT = "chat"
    """In the user's turn; the answer's header is read again at every decision."""
    COMPACT = "compact"
    """At the beginning of the answer, so that at a decision only the state's own tokens are new."""


@dataclass(frozen=True)
class PromptStyle:
    """How a language model is asked; every part of it is the same at every decision."""

    features: tuple[str, ...] = ()
    """Which of the task's values are shown, in this order; by default all."""
    numbers: Numbers = Numbers.WHOLE
    """whole: 0.12 as 12. 2 or 3: that many decimals. letter: one letter a value, m being zero. fine: the same, in steps
    that are finest near zero."""
    examples: int = 0
    """How many of the task's examples are shown before."""
    examples_in: ExamplesIn = ExamplesIn.TURNS
    """turns: as a conversation. system: as a list in the instruction."""
    layout: Layout = Layout.CHAT
    """chat: the state is the question. compact: it begins the answer, which costs fewer tokens."""
    brief: bool = False
    """Leave out what the task and the numbers are: enough for a model that is trained, and sooner read."""
    pending: int = 0
    """How many of the actions that act before the answer does are shown, from the state's step on."""
    calibrate: bool = False
    """Count each action only for what it is more likely than over the states of the examples that are not shown."""

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> PromptStyle:
        """Return the style that ``dataclasses.asdict`` and JSON made ``found`` of.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        return PromptStyle(
            tuple(found["features"]),
            Numbers(found["numbers"]),
            found["examples"],
            ExamplesIn(found["examples_in"]),
            Layout(found["layout"]),
            bool(found.get("brief", False)),
            int(found.get("pending", 0)),
            bool(found.get("calibrate", False)),
        )


NOT_KNOWN = "-"
"""Stands for a pending action that an answer decides which has not come yet."""

COMPACT_QUESTION = "State and action?"
"""The user's turn of the compact layout, which has nothing to ask."""

COMPACT_PLAN_QUESTION = "State and actions?"
"""The same where the answer is a plan."""

_REFUSAL = re.compile(r"\b(sorry|cannot|can't|can not|unable|won't|as an ai)\b", re.IGNORECASE)


class Prompt:
    """A task as a conversation: the instruction, examples if asked for, then the state.

    With a ``chunk`` above one, the answer is a plan: so many actions, for as many ticks.

    Raises:
        OntickError: the style names a feature that the task does not have, or more examples than it has; or there
            can be no plan of so many ticks, or no example of one.
    """

    def __init__(self, task: Task, style: PromptStyle | None = None, chunk: int = 1) -> None:
        self.task = task
        self.style = style or PromptStyle()
        self.chunk = chunk
        check_writable(task, chunk)
        names = [feature.name for feature in task.features]
        for name in self.style.features:
            if name not in names:
                raise unknown_name(f"feature of {task.name}", name, names)
        shown = [names.index(name) for name in self.style.features] or range(len(names))
        self._shown = [(place, task.features[place]) for place in shown]
        self._write = WRITERS[self.style.numbers]
        if not 0 <= self.style.examples <= len(task.examples):
            raise OntickError(
                f"task {task.name!r} has {len(task.examples)} examples, not {self.style.examples}; ask for fewer"
            )
        if self.style.pending < 0 or (self.style.pending and chunk > 1):
            raise OntickError(
                f"--prompt.pending {self.style.pending} cannot be; give 0 or more"
                if self.style.pending < 0
                else "--prompt.pending shows what acts before one action; leave it out, or --chunk"
            )
        if self.style.calibrate:
            self._check_calibration()
        if chunk > 1 and self.style.examples and not (task.has_teacher and task.has_forward_model):
            raise OntickError(
                f"an example of --chunk {chunk} is the teacher's plan, and task {task.name!r} has no teacher with a "
                "forward model; leave --prompt.examples out"
            )

    @cached_property
    def choices(self) -> tuple[str, ...]:
        """The action vocabulary: the word for action ``i`` is ``choices[i]``."""
        return tuple(str(action) for action in range(len(self.task.actions)))

    def messages(self, state: State | Sequence[float], pending: Sequence[float] = ()) -> list[Message]:
        """Return the conversation that ends with ``state``, shape (features,), and the pending actions if shown.

        These are those of the ticks from the state's on; `NO_MORE` and `UNDECIDED` may stand among them.
        """
        words = self.describe(state, pending)
        if self.style.layout is Layout.COMPACT:
            return [*self._before, Message("assistant", f"{words}=")]
        return [*self._before, Message("user", words)]

    def asked(self, row: State | Sequence[float]) -> list[Message]:
        """Return the conversation that ends with a row: a state and, behind it, the pending actions if there are."""
        features = len(self.task.features)
        return self.messages(row[:features], [float(code) for code in row[features:]])

    def answered(self, state: State | Sequence[float], *actions: int) -> list[Message]:
        """Return the conversation of `messages` with its answer, as an example to learn from."""
        return begun(self.messages(state), self._word(actions))

    def describe(self, state: State | Sequence[float], pending: Sequence[float] = ()) -> str:
        """Put a state into words: the values shown, as `Numbers` says, without their names; then what is pending."""
        values = " ".join(self._write(float(state[place]), feature) for place, feature in self._shown)
        if not self.style.pending:
            return values
        shown = (int(action) for action in pending[: self.style.pending])
        acts = (NOT_KNOWN if action == UNDECIDED else str(action) for action in shown if action != NO_MORE)
        return " ".join((values, "|", *acts))

    def as_read(self, state: State) -> State:
        """Return the state that a reader of `describe` knows of; what is not shown is left as it is."""
        read = state.copy()
        numbers = self.style.numbers
        for place, feature in self._shown:
            read[place] = READERS[numbers](WRITERS[numbers](float(state[place]), feature), feature)
        return read

    @property
    def references(self) -> tuple[State, ...]:
        """The states by which a model's leaning is found out: those of the task's examples that are not shown.

        As many for each action, whatever the number shown, or nearly so; which it is for which state is not told.
        """
        return tuple(np.array(example.state) for example in self.task.examples[self.style.examples :])

    def parse(self, text: str) -> int:
        """Return the action that a written answer names: one action's digit, and at most punctuation around it.

        Raises:
            NoAnswer: it names none; the kind is ``empty``, ``refusal`` or ``prose``.
        """
        word = re.sub(r"[\W_]", "", text)
        if word in self.choices and text.count("-") == 0:
            return self.choices.index(word)
        if not text.strip():
            raise NoAnswer("empty")
        raise NoAnswer("refusal" if _REFUSAL.search(text) else "prose", text)

    def read(self, text: str) -> WrittenPlan:
        """Return the plan that a written answer begins with; the action that `parse` finds if one is asked for.

        Raises:
            NoAnswer: not even the first action can be read; the kinds are those of `parse`.
        """
        plan = read_plan(text, self.choices, self.chunk) if self.chunk > 1 else None
        return plan if plan and plan.actions else WrittenPlan((self.parse(text),))

    def words(self, ticks: int) -> tuple[str, ...]:
        """Return every plan of so many ticks as it is written; of one: `choices`."""
        return every_word(self.choices, ticks)

    def _check_calibration(self) -> None:
        if self.chunk > 1:
            raise OntickError("--prompt.calibrate is for one action at a time; leave it out, or --chunk")
        if not self.references:
            raise OntickError(
                f"--prompt.calibrate needs examples that are not shown, and task {self.task.name!r} has "
                f"{len(self.task.examples)} in all; give fewer --prompt.examples, or leave it out"
            )

    def _word(self, actions: Sequence[int]) -> str:
        return "".join(self.choices[action] for action in actions)

    @cached_property
    def _before(self) -> tuple[Message, ...]:
        """Everything but the last turn."""
        examples = self.task.examples[: self.style.examples]
        answers = [self._word(plan_of(self.task, example, self.chunk)) for example in examples]
        question = COMPACT_QUESTION if self.chunk == 1 else COMPACT_PLAN_QUESTION
        opening = () if self.style.layout is Layout.CHAT else (Message("user", question),)
        if self.style.examples_in is ExamplesIn.SYSTEM and examples:
            shown = zip(examples, answers, strict=True)
            said = "\n".join(f"{self.describe(example.state)}={answer}" for example, answer in shown)
            return (Message("system", f"{self._instruction} Examples:\n{said}"), *opening)
        turns: list[Message] = []
        for example, word in zip(examples, answers, strict=True):
            words = self.describe(example.state)
            if self.style.layout is Layout.COMPACT:
                turns += [*opening, Message("assistant", f"{words}={word}")]
            else:
                turns += [Message("user", words), Message("assistant", word)]
        return (Message("system", self._instruction), *turns, *opening)

    @cached_property
    def _instruction(self) -> str:
        if self.style.brief:
            return f"Control {self.task.name}."
        numbers = explain([feature for _, feature in self._shown], self.style.numbers) + self._told_of_pending
        actions = ", ".join(f"{word} = {name}" for word, name in zip(self.choices, self.task.actions, strict=True))
        digits = "one digit"
        if self.chunk > 1:
            steps = f"one for each of the next {self.chunk} steps of {self.task.tick_ms:g} ms, the first for now"
            digits = f"{self.chunk} digits without blanks, {steps}"
        if self.style.layout is Layout.COMPACT:
            return f"{self.task.instruction} Write {numbers}; then = and {digits}: {actions}."
        return f"{self.task.instruction} You are given {numbers}. Answer with {digits}: {actions}."

    @property
    def _told_of_pending(self) -> str:
        """Say what the pending actions are."""
        if not self.style.pending:
            return ""
        noop = f"{self.task.noop} = {self.task.noop_name}, " if self.task.noop >= len(self.task.actions) else ""
        return (
            f", then | and the actions that act before yours, one for each step of {self.task.tick_ms:g} ms "
            f"({noop}{NOT_KNOWN} = not known yet)"
        )


def begun(messages: Sequence[Message], said: str) -> list[Message]:
    """Return a conversation whose answer begins with ``said``, after what it began with already."""
    *before, last = messages
    if last.role == "assistant":
        return [*before, Message("assistant", last.content + said)]
    return [*before, last, Message("assistant", said)]
