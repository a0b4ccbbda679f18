"""What has been answered so far, and what does someone who asks now know of it?"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence

from ontick.clock import NS_PER_MS, Nanoseconds
from ontick.controllers.base import REMEMBERED_LATENCIES, Decision, Observation, Underway
from ontick.inflight.slots import Start
from ontick.late import Turn, take_turn
from ontick.latency import NEVER
from ontick.records import AnswerRecord, State


class Mailbox:
    """Answers on their way and answers collected, tick by tick.

    What a request is shown of them is a function of the stamps of arrival alone. A world that is catching up may have
    collected more by then, and a thread may come a little late; neither may change it, or a real flight would not
    come out the same in simulation.
    """

    def __init__(self, tick: Nanoseconds) -> None:
        self._tick = tick
        self._answers: list[AnswerRecord] = []
        """In order of arrival, those that will arrive at a known time included."""
        self._arrivals: list[Nanoseconds] = []
        """Theirs."""
        self._latencies: list[Nanoseconds] = []
        """Theirs."""
        self._collected = 0
        """How many of them have been collected."""
        self._turns: list[Turn] = [Turn()]
        """``_turns[k]`` is that of the tick before tick k."""

    def show(self, start: Start, state: State, unanswered: tuple[Underway, ...] = ()) -> Observation:
        """Return what the request that starts so is shown; ``unanswered`` are others, not put here yet."""
        k, at, published, _ = start
        before, arrivals = self._turns[k], self._arrivals
        known = len(arrivals)
        arrived: Sequence[AnswerRecord] = ()
        if known and arrivals[-1] > published:
            while known and arrivals[known - 1] > at:
                known -= 1
                answered = Underway(self._answers[known].observation_tick, arrivals[known] - self._latencies[known])
                unanswered = (*unanswered, answered)
            arrived = self._answers[bisect(arrivals, published, 0, known) : known]
            unanswered = tuple(sorted(unanswered))
        first = known - REMEMBERED_LATENCIES
        return Observation(
            state,
            k,
            before.foretold(k, arrived),
            at,
            before.last_action,
            unanswered,
            tuple(self._latencies[first if first > 0 else 0 : known]),
        )

    def put(self, start: Start, decision: Decision, arrived: Nanoseconds) -> None:
        """Add the answer to the request that started so; its arrival may lie in the future."""
        observation_tick, at, _, held_back = start
        action, valid, _, text, failure, ttft, prompt, completion, new, then, at_tick, ahead, seen, logprobs = decision
        answer = AnswerRecord(  # by position, since this is on every tick's path
            observation_tick,
            at / NS_PER_MS,
            (arrived - at) / NS_PER_MS,
            action,
            valid,
            text,
            failure,
            ttft,
            prompt,
            completion,
            new,
            then,
            at_tick,
            ahead,
            seen,
            logprobs,
            held_back / NS_PER_MS if held_back else None,
        )
        place, first = bisect(self._arrivals, arrived, self._collected), self._collected
        while place > first and self._arrivals[place - 1] == arrived and self._answers[place - 1] > answer:
            place -= 1  # of two that arrive together the older observation's comes first
        self._answers.insert(place, answer)
        self._arrivals.insert(place, arrived)
        self._latencies.insert(place, arrived - at)

    def collect(self, tick: int) -> tuple[tuple[AnswerRecord, ...], Turn]:
        """Return what has arrived by ``tick`` since the tick before, and its turn. Call it once for each, in order."""
        before = self._collected
        self._collected = bisect(self._arrivals, tick * self._tick, before)
        arrived = tuple(self._answers[before : self._collected])
        turn = take_turn(self._turns[tick], tick, arrived)
        self._turns.append(turn)
        return arrived, turn

    @property
    def stale(self) -> int:
        """How many answers have been dropped for newer ones."""
        return self._turns[-1].stale

    def uncollected(self) -> list[AnswerRecord]:
        """Return what is left of those that will ever arrive, in order of arrival."""
        left = slice(self._collected, None)
        return [
            answer for answer, arrived in zip(self._answers[left], self._arrivals[left], strict=True) if arrived < NEVER
        ]
