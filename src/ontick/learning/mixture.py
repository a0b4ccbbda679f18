"""Who acts while a student flies? The student, and now and then the teacher in its place (Ross et al. 2011, DAgger).

In round i, from 1, the teacher acts with probability ``beta_i``: ``0.3`` always, ``power:0.5`` 0.5 ** i, ``linear:4``
1 - i / 4 and then 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ontick.errors import OntickError
from ontick.learning.collect import Labeller, label
from ontick.learning.flock import ManyPolicy
from ontick.tasks.base import Task


@dataclass(frozen=True)
class Beta:
    """How often the teacher acts, round by round."""

    kind: str
    """``constant``, ``power`` or ``linear``."""
    value: float

    @staticmethod
    def parse(word: str) -> Beta:
        """Return the schedule that a word names.

        Raises:
            OntickError: it names none.
        """
        kind, colon, number = word.rpartition(":")
        try:
            beta = Beta(kind if colon else "constant", float(number))
        except ValueError:
            beta = Beta("", 0)
        share = 0 <= beta.value <= 1
        if not {"constant": share, "power": share, "linear": 1 <= beta.value < np.inf}.get(beta.kind, False):
            raise OntickError(f"bad --beta {word!r}; write 0 (the student flies alone), 0.3, power:0.5 or linear:4")
        return beta

    def at(self, round_: int) -> float:
        """Return the teacher's share of round ``round_``, the first being 1."""
        if self.kind == "power":
            return self.value**round_
        return max(0.0, 1 - round_ / self.value) if self.kind == "linear" else self.value


class Mixture:
    """A student in whose place the teacher acts in some states; it keeps what the student would have done.

    A coin thrown by hashing the state decides, not one thrown in turn: so flights do not depend on which of
    the episodes that fly together asks first.
    """

    def __init__(self, task: Task, student: ManyPolicy, teacher: Labeller, beta: float, salt: int) -> None:
        self._task = task
        self._student = student
        self._teacher = teacher
        self._beta = beta
        self._salt = salt.to_bytes(8, "little")
        self._said: dict[bytes, int] = {}

    def decide_many(self, states: npt.NDArray[np.float32]) -> Sequence[int]:
        """Return what is done in each of ``states``, shape (n, features), or of rows, which go on after the state."""
        actions = [int(action) for action in self._student.decide_many(states)]
        states = states[:, : len(self._task.features)]
        self._said |= {state.tobytes(): action for state, action in zip(states, actions, strict=True)}
        taken = np.flatnonzero([self._coin(state) < self._beta for state in states])
        for place, wanted in zip(taken.tolist(), label(self._task, self._teacher, states[taken]).tolist(), strict=True):
            actions[place] = wanted
        return actions

    def said(self, states: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """Return what the student said in states that it was asked in, shape (n,)."""
        return np.array([self._said[state.tobytes()] for state in states], dtype=np.int64)

    def _coin(self, state: npt.NDArray[np.float32]) -> float:
        """Return a number in [0, 1) that belongs to the state."""
        digest = hashlib.blake2b(state.tobytes(), digest_size=8, key=self._salt).digest()
        return int.from_bytes(digest, "little") / 2**64
