"""A language model as a controller: the state in words, one action back. Serves every backend."""

from __future__ import annotations

from ontick.controllers.base import Decision, Observation
from ontick.models.base import LanguageModel
from ontick.prompts import Prompt


class LanguageModelController:
    """Asks ``model`` with ``prompt`` for the most likely of the legal actions, so every answer is valid."""

    def __init__(self, model: LanguageModel, prompt: Prompt) -> None:
        self._model = model
        self._prompt = prompt

    def reset(self, seed: int) -> None:
        """Read the prompt's constant beginning before the first tick, so that no decision pays for it."""
        nowhere = [0.0] * len(self._prompt.task.features)
        self._model.choose(self._prompt.messages(nowhere), self._prompt.choices)

    def decide(self, observation: Observation) -> Decision:
        """Ask the model what to do now."""
        choice = self._model.choose(self._prompt.messages(observation.state), self._prompt.choices)
        return Decision(choice.index, text=self._prompt.choices[choice.index])
