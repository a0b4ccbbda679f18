"""How are several ticks' actions answered at once, in words? A plan is one digit a tick, the first for now, no blanks.

Without anything between them the digits cost a model one token each, and those that read three digits as one token
(Llama 3, OpenAI's) a third of that. What is read back may have blanks, commas and line ends between.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ontick.errors import OntickError
from ontick.tasks.base import Example, Task

LONGEST_CHUNK = 64
"""More ticks than any plan is good for: 1.3 s at 50 Hz."""

_SHORT, _ILLEGAL = "short", "illegal"

_BEFORE = re.compile(r"(?:[^\w-]|_)*")
_BETWEEN = re.compile(r"[\s,]*")
_SOMETHING = re.compile(r"[^\W_]")


class WrittenPlan(NamedTuple):
    """What could be read of an answer."""

    actions: tuple[int, ...]
    """For the observation's tick and those after it."""
    cut: str | None = None
    """Why there are fewer than were asked for: ``short`` (there is no more) or ``illegal`` (what follows is none)."""


def check_chunk(chunk: int) -> None:
    """Refuse a number of actions that no answer can have.

    Raises:
        OntickError: it is below one or above `LONGEST_CHUNK`.
    """
    if not 1 <= chunk <= LONGEST_CHUNK:
        raise OntickError(f"--chunk {chunk} cannot be; give 1 to {LONGEST_CHUNK}")


def check_writable(task: Task, chunk: int) -> None:
    """Refuse a plan that digits cannot write.

    Raises:
        OntickError: the task has more actions than there are digits.
    """
    check_chunk(chunk)
    if chunk > 1 and len(task.actions) > 10:
        raise OntickError(
            f"a plan is written in digits, one an action, and task {task.name!r} has {len(task.actions)} actions; "
            "give --chunk 1"
        )


@functools.cache
def every_word(choices: tuple[str, ...], ticks: int) -> tuple[str, ...]:
    """Return every plan of so many ticks as it is written."""
    return tuple("".join(word) for word in itertools.product(choices, repeat=ticks))


def read_plan(text: str, choices: Sequence[str], chunk: int) -> WrittenPlan:
    """Return the actions that ``text`` begins with, at most ``chunk`` of them; what follows is ignored.

    Punctuation may stand before the first. ``choices`` are the actions' digits, in their order.
    """
    actions: list[int] = []
    place = _end(_BEFORE, text, 0)
    while len(actions) < chunk and text[place : place + 1] in choices:
        actions.append(choices.index(text[place]))
        place = _end(_BETWEEN, text, place + 1)
    if len(actions) == chunk:
        return WrittenPlan(tuple(actions))
    return WrittenPlan(tuple(actions), _ILLEGAL if _SOMETHING.search(text, place) else _SHORT)


def plan_of(task: Task, example: Example, chunk: int) -> tuple[int, ...]:
    """Return what the task's teacher would do from ``example`` on, by the task's own forward model.

    Raises:
        OntickError: the task has no teacher or no forward model to go on with.
    """
    actions = [example.action]
    if chunk == 1:
        return tuple(actions)
    env, state = task.make(), np.array(example.state)
    while len(actions) < chunk:
        state = task.predict(state, actions[-1:])
        actions.append(task.teacher(env, state))
    return tuple(actions)


def _end(pattern: re.Pattern[str], text: str, place: int) -> int:
    """Return where a pattern that may match nothing ends."""
    found = pattern.match(text, place)
    return place if found is None else found.end()
