"""Does talking with a pilot cost ticks? A shipped pilot in real time, with a conversation going on and without one.

Both ways fly the same seeds, seed by seed and one way after the other, in one process with one model. While it is
talked with, one question follows the other without a pause, so that an answer is under way at every tick, and the ways
are compared over whole episodes. An answer ends with its episode, if not before. The first episode of each way is a
warm-up: in it the rhythm of the decisions is learnt.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import tyro

from bars import print_last_line
from machine import keep_to_two_cores, neighbours
from ontick.controllers.catalog import Asking
from ontick.controllers.talking import talking_model
from ontick.evaluation.episodes import Prepared, Setup, prepare
from ontick.evaluation.talked import Tally
from ontick.models.base import ModelOptions
from ontick.models.talk import Answer, Conversation
from ontick.pilots.card import read_card
from ontick.pilots.find import find_pilot
from ontick.records import Tick

QUESTIONS = (
    "What is the capital of France?",
    "Name three colours of the rainbow.",
    "Write two sentences about the moon.",
    "How many days has a week?",
    "What do plants need to grow?",
)
MUST = {"late_tick_share_added": "<= 0.01", "successes_lost": "<= 0"}


@dataclass
class Way:
    """How one way of flying went, the warm-up left out."""

    tally: Tally = field(default_factory=lambda: Tally(1_000_000))
    succeeded: int = 0

    def figures(self, name: str) -> dict[str, float | int | None]:
        """Return its figures by name."""
        found = self.tally.as_json()
        return {
            f"{name}_late_tick_share": found["late_share"],
            f"{name}_ticks": found["ticks"],
            f"{name}_decision_p50_ms": found["decision_ms"]["p50"],
            f"{name}_decision_p95_ms": found["decision_ms"]["p95"],
            f"{name}_succeeded": self.succeeded,
        }


@contextmanager
def talking(conversation: Conversation, questions: Iterator[str], answers: list[Answer]) -> Generator[None]:
    """Ask one question after the other while open."""
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            answers.append(conversation.ask(next(questions)))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        over.set()
        conversation.stop()
        thread.join()


def fly(prepared: Prepared, seed: int, way: Way | None) -> None:
    """Fly a seed; None: to warm up."""
    task = prepared.task

    def count(tick: Tick) -> None:
        if way is not None:
            way.tally.add(tick)

    flight = prepared.fly(prepared.dressed(), seed, (count,))
    if way is not None:
        way.succeeded += bool(task.succeeded(flight.episode))


def main(
    pilot: str = "pilot:lunarlander",
    episodes: int = 10,
    seed: int = 0,
    max_tokens: int = 100,
    slow_motion: float = 1.0,
    threads: int | None = None,
) -> None:
    """Fly each seed both ways, and print the figures.

    Args:
        pilot: who flies; the bars are for the shipped one.
        episodes: how many seeds, the warm-up besides.
        seed: the first.
        max_tokens: of each answer.
        slow_motion: how many times as long as it does a tick lasts: where a decision takes longer than one.
        threads: of a decision; None: as many as it takes by itself.
    """
    cores = keep_to_two_cores()
    asking = Asking(model=ModelOptions(threads=threads))
    task = read_card(find_pilot(pilot)).task
    prepared = prepare(Setup(task, pilot, episodes=episodes + 1, seed=seed, asking=asking))
    type(prepared.task).tick_s *= slow_motion
    conversation = Conversation(talking_model(pilot, prepared.bare), max_tokens=max_tokens)
    answers: list[Answer] = []
    silent, talked = Way(), Way()
    questions = itertools.cycle(QUESTIONS)
    with neighbours() as others:
        for number, flown in enumerate(prepared.setup.seeds):
            warm_up = number == 0
            fly(prepared, flown, None if warm_up else silent)
            with talking(conversation, questions, [] if warm_up else answers):
                fly(prepared, flown, None if warm_up else talked)
    figures = {**silent.figures("silent"), **talked.figures("talking")}
    speeds = sorted(answer.tokens_per_s for answer in answers if answer.tokens_per_s is not None)
    waits = sorted(answer.ttft_ms for answer in answers if answer.ttft_ms is not None)
    added = (talked.tally.as_json()["late_share"] or 0.0) - (silent.tally.as_json()["late_share"] or 0.0)
    figures |= {
        "late_tick_share_added": added,
        "successes_lost": silent.succeeded - talked.succeeded,
        "answers": len(answers),
        "answer_tokens": sum(answer.tokens for answer in answers),
        "tokens_per_s_median": speeds[len(speeds) // 2] if speeds else None,
        "ttft_ms_median": waits[len(waits) // 2] if waits else None,
        "episodes": episodes,
        "tick_ms": prepared.task.tick_ms,
        "cores": cores,
        "others_cpu_share": others.share,
    }
    print_last_line("talking", {**figures, "pilot": pilot}, MUST)


if __name__ == "__main__":
    tyro.cli(main)
