"""What flies in the tests of the live page: worlds that only count, and controllers of every behaviour."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Generator, Sequence
from typing import ClassVar

from ontick.controllers.base import Decision, Observation
from ontick.controllers.llm import LanguageModelController
from ontick.models.base import Choice, Completion, Message, ModelInfo, Piece, Reading
from ontick.prompts import Prompt
from ontick.tasks.base import Environment, Task
from worlds import Counting, CountingTask


class Short(CountingTask):
    """A second of counting."""

    name: ClassVar = "short"

    def make(self) -> Environment:
        return Counting(50)


class Long(CountingTask):
    """More than any test waits for."""

    name: ClassVar = "long"

    def make(self) -> Environment:
        return Counting(100_000)


class Unseen(CountingTask):
    """Cannot be drawn."""

    name: ClassVar = "unseen"

    def make(self) -> Environment:
        return Counting(50)

    def poses(self, observation: object, action: object) -> object:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise RuntimeError("no picture of this")


class Counts:
    """Answers with its observation's number modulo 3."""

    def __init__(self, task: Task) -> None:
        pass

    def reset(self, seed: int) -> None:
        pass

    def decide(self, observation: Observation) -> Decision:
        return Decision(int(observation.state[0]) % 3, text="<b>&amp; words</b>")


class Sleeps(Counts):
    """The same, 30 ms later."""

    def decide(self, observation: Observation) -> Decision:
        time.sleep(0.03)
        return super().decide(observation)


class DoesNotLoad(Counts):
    def __init__(self, task: Task) -> None:
        raise ValueError("no weights here")


class Raises(Counts):
    def decide(self, observation: Observation) -> Decision:
        if observation.tick == 5:
            raise ValueError("lost the thread")
        return super().decide(observation)


class Aborts(Counts):
    """Takes its whole process with it, as a fault in compiled code does."""

    def decide(self, observation: Observation) -> Decision:
        if observation.tick == 5:
            os.abort()
        return super().decide(observation)


class Hangs(Counts):
    """Never comes back from its sixth decision."""

    def decide(self, observation: Observation) -> Decision:
        while observation.tick >= 5:
            time.sleep(60)
        return super().decide(observation)


class Prints(Counts):
    def __init__(self, task: Task) -> None:
        print("this is no result")


class Parrot:
    """A model that repeats a question word by word, for ever where it is told to; it decides at once."""

    info = ModelInfo("Parrot-1B", "feathers", None, None, (Reading.SCORE,))

    def warm_up(self, messages: Sequence[Message]) -> None:
        pass

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        return Choice(0, (0.0,) * len(choices), 0, 1, 0.1)

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        return Completion("", None, 0.0, None, None)

    def room(self, messages: Sequence[Message]) -> int:
        return 10**6

    def say(self, messages: Sequence[Message], max_tokens: int) -> Generator[Piece]:
        words = messages[-1].content.split()
        for number, word in enumerate(itertools.cycle(words) if "for ever" in messages[-1].content else words):
            time.sleep(0.02)
            yield Piece(f"{word} ", number)


class Talks(LanguageModelController):
    def __init__(self, task: Task) -> None:
        super().__init__(Parrot(), Prompt(task))
