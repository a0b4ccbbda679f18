"""Which way does a model lean whatever it is shown, and what does it say once that is taken off?

Contextual calibration (Zhao et al., "Calibrate before use", 2021, arXiv:2102.09690): a small model that has seen a few
examples prefers one answer for everything, by more than the state changes. How likely it finds each action on average
over states whose right action it is not told is divided out, in logarithms; what is left is what the state says.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ontick.models.answers import log_shares
from ontick.models.base import Choice, LanguageModel
from ontick.prompts import Prompt


@dataclass(frozen=True)
class Leaning:
    """How a model answers one prompt when the state is left out of account."""

    logprobs: tuple[float, ...]
    """The mean log-probability of each action, in nats."""

    @staticmethod
    def over(answers: Sequence[Sequence[float]]) -> Leaning:
        """Return the mean of ``answers``: the log-probabilities, or logits, of all actions in each of some states."""
        return Leaning(tuple(math.fsum(column) / len(answers) for column in zip(*answers, strict=True)))

    def evened(self, logprobs: Sequence[float]) -> tuple[float, ...]:
        """Return an answer's log-probabilities with the leaning taken off, normalised again."""
        return log_shares([told - always for told, always in zip(logprobs, self.logprobs, strict=True)])

    def corrected(self, choice: Choice) -> Choice:
        """Return ``choice`` as it is without the leaning."""
        evened = self.evened(choice.logprobs)
        return replace(choice, index=evened.index(max(evened)), logprobs=evened)


def leaning_of(model: LanguageModel, prompt: Prompt) -> Leaning:
    """Ask ``model`` about every state of `Prompt.references`, and return how it leans.

    Raises:
        OntickError: the model tells no scores.
    """
    return Leaning.over([model.choose(prompt.messages(state), prompt.choices).logprobs for state in prompt.references])
