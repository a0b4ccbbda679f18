"""What has been answered so far, and what does someone who asks now know of it?"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from ontick.clock import NS_PER_MS, Nanoseconds
from ontick.controllers.base import REMEMBERED_LATENCIES, Decision, Observation, Underway
from ontick.inflight.slots import Start
from ontick.late import Agenda, Turn, take_turn
from ontick.records import AnswerRecord, State


class Answer(NamedTuple):
    """A decision that has arrived, or will at a known time."""

    arrived: Nanoseconds
    observation_tick: int
    started: Nanoseconds
    decision: Decision
    begins: int
    """The tick that its first action is for."""
    actions: tuple[int, ...]
    """What was answered for that tick and those after it; empty when nothing usable was."""
    held_back: Nanoseconds = 0
    """How much earlier it would have been asked for without a limit on the rate of requests."""

    @classmethod
    def to(cls, start: Start, decision: Decision, arrived: Nanoseconds) -> Answer:
        """Return the answer to the request that started so."""
        observation_tick, at, _, held_back = start
        action, at_tick = decision.action, decision.at_tick
        actions = () if action is None else (action, *decision.then) if decision.then else (action,)
        begins = observation_tick if at_tick is None else at_tick
        return cls(arrived, observation_tick, at, decision, begins, actions, held_back)

    def record(self) -> AnswerRecord:
        """Return what the run's record keeps of it."""
        arrived, observation_tick, started, decision, _, _, held_back = self
        return AnswerRecord(  # by position, since this is on every tick's path
            observation_tick,
            started / NS_PER_MS,
            (arrived - started) / NS_PER_MS,
            decision.action,
            decision.valid,
            *decision[3:],
            held_back / NS_PER_MS if held_back else None,
        )


class Collected(NamedTuple):
    """What a tick finds in the mailbox."""

    arrived: Sequence[Answer]
    """Since the tick before, in order of arrival."""
    turn: Turn
    observation_tick: int
    """The observation behind the newest answer that has acted; -1 before the first."""


class Mailbox:
    """Answers on their way and answers collected, tick by tick.

    What a request is shown of them is a function of the stamps of arrival alone. A world that is catching up may have
    collected more by then, and a thread may come a little late; neither may change it, or a real flight would not
    come out the same in simulation.
    """

    def __init__(self, tick: Nanoseconds) -> None:
        self._tick = tick
        self._open: dict[int, Nanoseconds] = {}
        """When the requests that have not been answered started, by the ticks of their observations."""
        self._coming: list[Answer] = []
        self._collected: list[Answer] = []
        self._latencies: deque[Nanoseconds] = deque(maxlen=REMEMBERED_LATENCIES)
        self._agendas: list[Agenda[Answer]] = [Agenda()]
        """``_agendas[k]`` is how things stand before tick k."""

    def show(self, start: Start, state: State) -> Observation:
        """Return what the request that starts so is shown, and count it as open from now on."""
        k, at, published, _ = start
        agenda = self._agendas[k]
        others = tuple(map(Underway, self._open, self._open.values())) if self._open else ()
        self._open[k] = at
        if self._coming or (self._collected and self._collected[-1][0] > published):
            return self._look_closely(start, state, agenda, others)
        return Observation(state, k, agenda.foretold(k, ()), at, agenda.last_action, others, tuple(self._latencies))

    def _look_closely(
        self, start: Start, state: State, agenda: Agenda[Answer], others: tuple[Underway, ...]
    ) -> Observation:
        """Tell what had arrived by the start from what had not, by the stamps."""
        k, at, published, _ = start
        collected = self._collected
        known = len(collected)
        while known and collected[known - 1].arrived > at:
            known -= 1
        settled = known
        while settled and collected[settled - 1].arrived > published:
            settled -= 1
        here = sorted(answer for answer in self._coming if answer.arrived <= at)
        late = (answer for answer in (*collected[known:], *self._coming) if answer.arrived > at)
        not_yet = [Underway(answer.observation_tick, answer.started) for answer in late]
        arrived = [*collected[settled:known], *here]
        latencies = [answer.arrived - answer.started for answer in (*collected[:known][-REMEMBERED_LATENCIES:], *here)]
        return Observation(
            state,
            k,
            agenda.foretold(k, arrived),
            at,
            agenda.last_action,
            tuple(sorted((*others, *not_yet))),
            tuple(latencies[-REMEMBERED_LATENCIES:]),
        )

    def put(self, answer: Answer) -> None:
        """Add an answer; its arrival may lie in the future."""
        del self._open[answer.observation_tick]
        heapq.heappush(self._coming, answer)

    def collect(self, tick: int) -> Collected:
        """Take out what has arrived by ``tick``, once for each tick in order."""
        deadline, coming = tick * self._tick, self._coming
        arrived: list[Answer] = []
        while coming and coming[0][0] <= deadline:
            answer = heapq.heappop(coming)
            arrived.append(answer)
            self._collected.append(answer)
            self._latencies.append(answer[0] - answer[2])
        agenda, turn = take_turn(self._agendas[tick], tick, arrived)
        self._agendas.append(agenda)
        return Collected(arrived, turn, agenda.newest_used)

    @property
    def stale(self) -> int:
        """How many answers have been dropped for newer ones."""
        return self._agendas[-1].stale

    def uncollected(self) -> list[Answer]:
        """Return what is left."""
        return sorted(self._coming)
