"""How is the controller asked in simulated time, and how in real time? See `ontick.inflight`."""

from __future__ import annotations

import threading
import time
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from ontick.clock import Nanoseconds, RunningClock
from ontick.controllers.base import Decision, Observation, Underway
from ontick.inflight.legal import Ask
from ontick.inflight.mailbox import Mailbox
from ontick.inflight.slots import Slots, Start
from ontick.late import Turn
from ontick.latency import LatencyStream
from ontick.records import AnswerRecord, State


class Requests(AbstractContextManager["Requests"], Protocol):
    """The controller as the loop sees it. Leaving the context ends the episode's requests."""

    def publish(self, observation_tick: int, state: State) -> None:
        """Make ``o[observation_tick]`` known. Call it once for each, in order."""
        ...

    def collect(self, tick: int) -> tuple[tuple[AnswerRecord, ...], Turn]:
        """Return what tick ``tick`` finds there. Call it once for each, in order."""
        ...

    def uncollected(self) -> list[AnswerRecord]:
        """Return, after the context, the answers that came or would have come after the last tick."""
        ...

    @property
    def stale(self) -> int:
        """How many answers have been dropped for newer ones."""
        ...


class SimulatedRequests:
    """Simulated time: the controller answers at once, and its answer arrives when the latencies say."""

    def __init__(self, ask: Ask, slots: Slots, latencies: LatencyStream) -> None:
        self._ask = ask
        self._slots = slots
        self._latencies = latencies
        self._mailbox = Mailbox(slots.tick)

    def publish(self, observation_tick: int, state: State) -> None:
        """Start every request that this observation is for: at most one, and it may start between ticks."""
        # A slot's release is known in advance, so what is to start before the next publication starts here.
        start = self._slots.take(observation_tick)
        if start is not None:
            shown = self._mailbox.show(start, state)
            began = time.perf_counter_ns()
            decision = self._ask(shown)
            measured = time.perf_counter_ns() - began
            arrived = start.at + self._latencies.next(observation_tick, measured) + decision.delay
            self._slots.release(arrived)
            self._mailbox.put(start, decision, arrived)

    def collect(self, tick: int) -> tuple[tuple[AnswerRecord, ...], Turn]:
        """Return what has arrived; see `Requests.collect`."""
        return self._mailbox.collect(tick)

    def uncollected(self) -> list[AnswerRecord]:
        """Return what the episode did not wait for; see `Requests.uncollected`."""
        return self._mailbox.uncollected()

    @property
    def stale(self) -> int:
        """See `Requests.stale`."""
        return self._mailbox.stale

    def __enter__(self) -> SimulatedRequests:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing runs on."""


class ThreadedRequests:
    """Real time: one thread per slot, so that a slow answer never keeps the world waiting.

    Freeing a slot, reading the clock and choosing the next observation happen under one lock that publishing
    takes too. So an arrival stamped before a tick is always seen at that tick, and a slot freed after it waits
    for that tick's observation, as the timeline has it, even when the tick itself runs a little late.
    """

    def __init__(self, ask: Ask, slots: Slots, clock: RunningClock, in_flight: int) -> None:
        self._ask = ask
        self._slots = slots
        self._clock = clock
        self._published: list[State] = []
        self._open: list[Start] = []
        self._mailbox = Mailbox(slots.tick)
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"controller-{n}", daemon=True) for n in range(in_flight)
        ]
        for thread in self._threads:
            thread.start()

    def publish(self, observation_tick: int, state: State) -> None:
        """Wake whoever waits for this observation."""
        with self._changed:
            self._published.append(state)
            self._changed.notify_all()

    def collect(self, tick: int) -> tuple[tuple[AnswerRecord, ...], Turn]:
        """Return what has arrived; see `Requests.collect`.

        Raises:
            BaseException: what the controller raised.
        """
        with self._changed:
            self._raise_error()
            return self._mailbox.collect(tick)

    def uncollected(self) -> list[AnswerRecord]:
        """Return what the episode did not wait for; see `Requests.uncollected`."""
        with self._changed:
            return self._mailbox.uncollected()

    @property
    def stale(self) -> int:
        """See `Requests.stale`."""
        return self._mailbox.stale

    def __enter__(self) -> ThreadedRequests:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let open calls finish, since the controller is about to be reset; when interrupted, not for long.

        Raises:
            BaseException: what the controller raised after the last tick.
        """
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        give_up = time.monotonic() + INTERRUPT_PATIENCE_S if isinstance(error, KeyboardInterrupt) else None
        for thread in self._threads:
            thread.join(None if give_up is None else max(0.0, give_up - time.monotonic()))
        if error is None:
            self._raise_error()

    def _raise_error(self) -> None:
        """Raise what the controller raised in its thread, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _work(self) -> None:
        try:
            while (taken := self._next_request()) is not None:
                start, shown = taken
                decision = self._ask(shown)
                due = self._clock.now() + decision.delay
                if decision.delay:
                    self._clock.wait(due, self._closing)
                self._arrive(start, decision, due)
        except BaseException as error:
            self._error = error  # raised again in the loop's thread

    def _next_request(self) -> tuple[Start, Observation] | None:
        """Wait until a request starts; return None when the episode has ended."""
        with self._changed:
            while (start := self._slots.take(len(self._published) - 1)) is None and not self._closing.is_set():
                self._changed.wait()
            if start is None:
                return None
            self._open.append(start)
        if start.at > self._clock.now():  # the rate allows it only between two ticks
            self._clock.wait(start.at, self._closing)
        with self._changed:
            if self._closing.is_set():
                return None
            older = [other for other in self._open if other.observation_tick < start.observation_tick]
            underway = tuple([Underway(other.observation_tick, other.at) for other in older])
            return start, self._mailbox.show(start, self._published[start.observation_tick], underway)

    def _arrive(self, start: Start, decision: Decision, due: Nanoseconds) -> None:
        with self._changed:
            arrived = max(self._clock.now(), due)  # ``due`` is later only when the episode ended during the delay
            self._open.remove(start)
            self._slots.release(arrived)
            self._mailbox.put(start, decision, arrived)
            self._changed.notify_all()


INTERRUPT_PATIENCE_S = 0.5
"""How long Ctrl-C waits for a call that is under way."""
