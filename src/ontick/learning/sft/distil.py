"""How sure is a small network of each action? That can be learnt in place of the data's labels.

Distillation: Hinton, Vinyals and Dean 2015, arXiv:1503.02531. The network is shown every state as the prompt tells it,
not as it is: states that a language model cannot tell apart have one answer. How much likelier it finds one action
than another says more of a state than which one it would take.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ontick.learning.network_labeller import small_network
from ontick.learning.sft.settings import DistilOptions
from ontick.models.answers import normalised
from ontick.prompts import Prompt
from ontick.records import Json
from ontick.tasks.base import Task


class Teaching:
    """A small network that teaches.

    Raises:
        OntickError: the word names none, or one that cannot teach: see `small_network`.
    """

    def __init__(self, task: Task, options: DistilOptions) -> None:
        assert options.teacher is not None
        self._network, self.id = small_network(options.teacher, task)
        self._temperature = options.temperature

    def odds(self, prompt: Prompt, states: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return how likely it finds each action in what ``prompt`` tells of ``states``.

        The states are of shape (n, features), what is returned of shape (n, actions).
        """
        told = np.array([prompt.as_read(state) for state in states], dtype=np.float32)
        return np.exp(normalised(self._network.logits(told) / self._temperature))

    def as_json(self) -> Json:
        """Say which network it is, to the last bit."""
        return {"id": self.id}
