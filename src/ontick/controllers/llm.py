"""A language model as a controller: the state in words, one action back. Serves every backend."""

from __future__ import annotations

from ontick.controllers.base import Decision, Observation
from ontick.errors import OntickError
from ontick.models.base import Choice, LanguageModel, NoAnswer, Reading
from ontick.prompts import Prompt
from ontick.records import State

ANSWER_TOKENS = 4
"""Room for a written answer: a digit, and whatever punctuation a model puts around it."""


class LanguageModelController:
    """Asks ``model`` with ``prompt``, and takes the action from its scores or from what it writes.

    By its scores every answer is legal. What is written may name no action; then it is invalid, by kind.

    Raises:
        OntickError: the model cannot be read that way.
    """

    def __init__(self, model: LanguageModel, prompt: Prompt, reading: Reading | None = None) -> None:
        info = model.info
        if reading is not None and reading not in info.readings:
            raise OntickError(f"{info.name} cannot be read by {reading}; use --reading {info.readings[0]}")
        self.model = model
        self.prompt = prompt
        self.reading = reading or info.readings[0]
        self._decide = self._score if self.reading is Reading.SCORE else self._generate

    def reset(self, seed: int) -> None:
        """Have the constant beginning read and connections opened before the first tick."""
        self.model.warm_up(self.prompt.messages([0.0] * len(self.prompt.task.features)))

    def decide(self, observation: Observation) -> Decision:
        """Ask the model what to do now."""
        return self._decide(observation.state)

    def score(self, state: State) -> tuple[Decision, Choice]:
        """Decide by the model's scores, and return those too.

        Raises:
            OntickError: the model tells none.
        """
        choices = self.prompt.choices
        choice = self.model.choose(self.prompt.messages(state), choices)
        return Decision(choice.index, text=choices[choice.index], new_tokens=choice.new_tokens), choice

    def _score(self, state: State) -> Decision:
        return self.score(state)[0]

    def _generate(self, state: State) -> Decision:
        try:
            said = self.model.complete(self.prompt.messages(state), ANSWER_TOKENS)
        except NoAnswer as failure:
            return Decision(None, valid=False, text=str(failure), failure=failure.kind)
        decision = Decision(
            None,
            text=said.text,
            ttft_ms=said.ttft_ms,
            prompt_tokens=said.prompt_tokens,
            completion_tokens=said.completion_tokens,
        )
        try:
            return decision._replace(action=self.prompt.parse(said.text))
        except NoAnswer as failure:
            return decision._replace(valid=False, failure=failure.kind)
