"""A language model as a controller: the state in words, one action back, or a plan of several. Serves every backend."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from ontick.controllers.base import Controller, Decision, Observation
from ontick.controllers.leaning import Leaning, leaning_of
from ontick.controllers.pending import Outlook
from ontick.dead_time import Awareness
from ontick.errors import OntickError
from ontick.models.base import Choice, LanguageModel, LocalModel, Message, NoAnswer, Reading
from ontick.prompts import Prompt, begun
from ontick.records import State

ANSWER_TOKENS = 4
"""Room for a written answer: a digit, and whatever punctuation a model puts around it."""

FURTHER_TOKENS = 2
"""Room for each further digit of a plan, and what a model puts before it."""

DIGITS_A_TOKEN = 3
"""As many digits as tokenizers read as one token where they do not read each by itself."""


class LanguageModelController:
    """Asks ``model`` with ``prompt``, and takes the action from its scores or from what it writes.

    By its scores every answer is legal. What is written may name no action; then it is invalid, by kind. A plan that
    comes back short, or goes on with something else, is used as far as it goes, and `Decision.failure` says so. One
    that is made for its dead time (``aware``) is shown rows in place of states: see `ontick.controllers.pending`.

    Raises:
        OntickError: the model cannot be read that way.
    """

    def __init__(
        self, model: LanguageModel, prompt: Prompt, reading: Reading | None = None, aware: Awareness | None = None
    ) -> None:
        info = model.info
        if reading is not None and reading not in info.readings:
            raise OntickError(f"{info.name} cannot be read by {reading}; use --reading {info.readings[0]}")
        self.model = model
        self.prompt = prompt
        self.reading = reading or info.readings[0]
        if prompt.style.calibrate and self.reading is not Reading.SCORE:
            raise OntickError(
                f"--prompt.calibrate corrects scores, and {info.name} is read by {self.reading}; leave it out"
            )
        self._leaning: Leaning | None = None
        self.outlook = None if aware is None else Outlook(prompt.task, aware)
        self._decide = self._score if self.reading is Reading.SCORE else self._generate
        self._digits = 1
        """How many digits of a plan are one token."""
        self._one_plan = threading.Lock()

    def reset(self, seed: int) -> None:
        """Have the constant beginning read and connections opened before the first tick.

        Raises:
            OntickError: the model cannot be asked this, or not be read this way.
        """
        if self.outlook is not None:
            self.outlook.reset()
        messages = self.prompt.messages([0.0] * len(self.prompt.task.features))
        self.model.warm_up(messages)
        if self.prompt.style.calibrate and self._leaning is None:
            self._leaning = leaning_of(self.model, self.prompt)
        if self.prompt.chunk > 1 and self.reading is Reading.SCORE and isinstance(self.model, LocalModel):
            self._digits = digits_a_token(self.model, self.prompt, messages)

    def decide(self, observation: Observation) -> Decision:
        """Ask the model what to do now."""
        if self.outlook is None:
            return self._decide(observation.state)
        return self.outlook.ask(observation, lambda shown: self._decide(shown.state))

    def score(self, state: State) -> tuple[Decision, Choice]:
        """Decide by the model's scores, calibrated if the prompt says so, and return those too.

        Raises:
            OntickError: the model tells none.
        """
        choices = self.prompt.choices
        choice = self.model.choose(self.prompt.asked(state), choices)
        if self._leaning is not None:
            choice = self._leaning.corrected(choice)
        decision = Decision(
            choice.index, text=choices[choice.index], new_tokens=choice.new_tokens, logprobs=choice.logprobs
        )
        return decision, choice

    def _score(self, state: State) -> Decision:
        return self.score(state)[0] if self.prompt.chunk == 1 else self._score_plan(state)

    def _score_plan(self, state: State) -> Decision:
        """Choose the likeliest next digits after those before, again and again."""
        messages, said, new_tokens, ttft_ms = self.prompt.asked(state), "", 0, None
        with self._one_plan:  # the model keeps what one plan has said so far, not what two have
            while (left := self.prompt.chunk - len(said)) > 0:
                words = self.prompt.words(min(left, self._digits))
                choice = self.model.choose(begun(messages, said) if said else messages, words)
                said += words[choice.index]
                new_tokens += choice.new_tokens
                ttft_ms = ttft_ms or choice.elapsed_ms
        action, *then = map(self.prompt.choices.index, said)
        return Decision(action, text=said, ttft_ms=ttft_ms, new_tokens=new_tokens, then=tuple(then))

    def _generate(self, state: State) -> Decision:
        room = ANSWER_TOKENS + FURTHER_TOKENS * (self.prompt.chunk - 1)
        try:
            said = self.model.complete(self.prompt.asked(state), room)
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
            plan = self.prompt.read(said.text)
        except NoAnswer as failure:
            return decision._replace(valid=False, failure=failure.kind)
        return decision._replace(action=plan.actions[0], then=plan.actions[1:], failure=plan.cut)


def digits_a_token(model: LocalModel, prompt: Prompt, messages: Sequence[Message]) -> int:
    """Return how many of a plan's digits ``model`` says in one token, at the answer's beginning and after that.

    Raises:
        OntickError: there is no such number.
    """
    for digits in range(min(DIGITS_A_TOKEN, prompt.chunk), 0, -1):
        words = prompt.words(digits)
        try:
            model.answer_tokens(messages, words)
            for word in words[:_TRIED] if prompt.chunk > digits else ():
                model.answer_tokens(begun(messages, word), prompt.words(min(digits, prompt.chunk - digits)))
        except OntickError:
            continue
        return digits
    raise OntickError(
        f"{model.info.name} says some digits together and some apart, so that a plan cannot be read by its scores; "
        "use --reading generate, or --chunk 1"
    )


_TRIED = 10
"""Every place that a plan of single digits goes on at."""


class Informed:
    """Shows ``inner`` no more of the state than ``prompt`` says of it."""

    def __init__(self, inner: Controller, prompt: Prompt) -> None:
        self._inner = inner
        self._prompt = prompt

    def reset(self, seed: int) -> None:
        """Begin an episode of ``inner``."""
        self._inner.reset(seed)

    def decide(self, observation: Observation) -> Decision:
        """Ask ``inner`` about what can be read."""
        return self._inner.decide(observation._replace(state=self._prompt.as_read(observation.state)))
