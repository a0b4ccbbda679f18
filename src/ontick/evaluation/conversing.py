"""How does a pilot fly while someone talks with it? Episode after episode, for as long as it is wanted, and recorded.

The thread that calls flies; whoever asks has one of its own, where pieces of answers are heard too, so that nothing
that is shown of them keeps a decision or a tick waiting.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ontick.controllers.pilot import is_pilot_word, untrained_seed
from ontick.errors import OntickError
from ontick.evaluation.episodes import Prepared, Setup
from ontick.evaluation.summary import summarise
from ontick.evaluation.talked import Talked
from ontick.loop import Interrupted, Observer
from ontick.models.talk import Answer, Conversation
from ontick.records import Json, RunWriter, Tick, episode_to_json, read_run

LAST_WORDS_S = 2.0
"""How long whoever asks may take to see that it is over."""


class Host(Protocol):
    """Whoever asks; all of it is called in the thread that asks."""

    def questions(self) -> Iterable[str]:
        """Yield questions, and wait for them; the end of it ends the conversation."""
        ...

    def begin(self, question: str) -> None:
        """A question is being answered."""
        ...

    def hear(self, piece: str) -> None:
        """Hear a piece of the answer."""
        ...

    def end(self, answer: Answer) -> None:
        """The answer is whole, or was ended."""
        ...

    def refuse(self, question: str, why: str) -> None:
        """The question cannot be answered."""
        ...


class Asker:
    """A thread that asks what ``host`` has to ask, one question after the other, from `begin` on."""

    def __init__(self, conversation: Conversation, host: Host) -> None:
        self._conversation = conversation
        self._host = host
        self._begun = threading.Event()
        self._closing = False
        self._error: Exception | None = None
        self.answers: list[Answer] = []
        self.refused: list[Json] = []
        self._thread = threading.Thread(target=self._run, name="asker", daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether there is no more to ask."""
        return not self._thread.is_alive()

    @property
    def is_answering(self) -> bool:
        """Whether an answer is under way."""
        return self._conversation.is_answering

    def begin(self) -> None:
        """Ask from now on."""
        self._begun.set()

    def wait(self) -> None:
        """Wait until all is answered.

        Raises:
            Exception: what went wrong with an answer.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End what is being answered, and ask no more."""
        self._closing = True
        self._begun.set()
        self._conversation.stop()
        self._thread.join(LAST_WORDS_S)

    def _run(self) -> None:
        try:
            for question in self._host.questions():
                self._begun.wait()
                if self._closing:
                    return
                if question.strip():
                    self._ask(question)
        except Exception as error:
            self._error = error  # raised again where it is waited for

    def _ask(self, question: str) -> None:
        self._host.begin(question)
        try:
            answer = self._conversation.ask(question, self._host.hear)
        except OntickError as error:
            self.refused.append({"question": question, "why": str(error)})
            self._host.refuse(question, str(error))
            return
        self.answers.append(answer)
        self._host.end(answer)


@dataclass(frozen=True)
class Flown:
    """What was flown meanwhile."""

    episodes: tuple[Json, ...]
    summary: Json
    ticks: Json
    """How it went while an answer was under way, and while none was: see `Talked`."""
    run: Path
    interrupted: bool
    """Someone pressed Ctrl-C."""


def seeds_flown(setup: Setup, episodes: int | None) -> Iterator[int]:
    """Yield the seeds of so many episodes, or of any number; a pilot's are ones that it was not trained on."""
    seed = setup.seed
    for _ in itertools.count() if episodes is None else range(episodes):
        if is_pilot_word(setup.controller):
            seed = untrained_seed(setup.controller, range(seed, seed + 1))
        yield seed
        seed += 1


def fly_meanwhile(
    prepared: Prepared, episodes: int | None, run: Path, asker: Asker, observers: Sequence[Observer] = ()
) -> Flown:
    """Fly so many episodes, or for as long as someone asks, and record it in the folder ``run``.

    The first question is asked once the flight has begun. What flies when all is answered is ended, unless
    ``episodes`` says how many there are to be, and recorded as interrupted. The record's summary has the answers.

    Raises:
        OntickError: the folder cannot be written, or the controller failed.
    """
    setup, controller, talked = prepared.setup, prepared.dressed(), Talked()
    asked = setup.as_json() | {"episodes": episodes}
    writer = RunWriter(run, {"verb": "chat", **{name: asked[name] for name in asked if name != "seeds"}})
    interrupted = False

    def is_wanted() -> bool:
        return episodes is not None or not asker.is_over

    def observe(tick: Tick) -> None:
        asker.begin()
        talked.add(tick, answering=asker.is_answering)
        if not is_wanted():
            raise KeyboardInterrupt

    try:
        for seed in seeds_flown(setup, episodes):
            writer.append(prepared.fly(controller, seed, (*observers, observe)))
            if not is_wanted():
                break
    except Interrupted as stopped:
        interrupted = is_wanted()
        if stopped.flight.ticks:
            writer.append(stopped.flight)
    except KeyboardInterrupt:
        interrupted = True
    flights = list(read_run(run).flights()) if (run / "episodes.jsonl").exists() else []
    summary = summarise(prepared.task, flights, setup.asking.model.price)
    conversation = [answer.as_json() for answer in asker.answers]
    writer.finish({**summary, "talk": talked.as_json(), "conversation": conversation})
    told = tuple(episode_to_json(flight.episode) for flight in flights)
    return Flown(told, summary, talked.as_json(), run, interrupted)


@dataclass(frozen=True)
class Chatted:
    """What was said, and what was flown meanwhile."""

    answers: tuple[Answer, ...]
    refused: tuple[Json, ...]
    """Questions that could not be answered, and why."""
    flown: Flown | None
    """None: no one flew."""
    interrupted: bool
    """Someone pressed Ctrl-C."""

    def as_json(self) -> Json:
        """Return what ``chat --json`` prints of it."""
        speeds = [answer for answer in self.answers if answer.tokens_per_s is not None]
        written_s = sum((answer.tokens - 1) / (answer.tokens_per_s or 1.0) for answer in speeds)
        flown = self.flown
        return {
            "answers": [answer.as_json() for answer in self.answers],
            "refused": list(self.refused),
            "tokens_per_s": round(sum(answer.tokens - 1 for answer in speeds) / written_s, 3) if written_s else None,
            "episodes": [] if flown is None else list(flown.episodes),
            "outcomes": {} if flown is None else flown.summary["outcomes"],
            "ticks": None if flown is None else flown.ticks,
            "run": None if flown is None else str(flown.run),
            **({"interrupted": True} if self.interrupted else {}),
        }


def converse(
    prepared: Prepared,
    conversation: Conversation,
    host: Host,
    *,
    episodes: int | None,
    run: Path | None,
    observers: Sequence[Observer] = (),
) -> Chatted:
    """Talk until ``host`` asks no more, and fly meanwhile, into the folder ``run``; None: do not fly.

    Ctrl-C ends both; what was said and flown is kept.

    Raises:
        OntickError: as `fly_meanwhile`.
    """
    asker, flown, interrupted = Asker(conversation, host), None, False
    try:
        if run is not None:
            flown = fly_meanwhile(prepared, episodes, run, asker, observers)
            interrupted = flown.interrupted
        asker.begin()
        if not interrupted:
            asker.wait()
    except KeyboardInterrupt:
        interrupted = True
    finally:
        asker.close()
    return Chatted(tuple(asker.answers), tuple(asker.refused), flown, interrupted)
