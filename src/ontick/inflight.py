"""Requests in flight: on which observation does the controller start, when, and when does its answer arrive?

The controller runs beside the world. When it has a free slot it takes the newest published observation that
it has not been asked about; its answer arrives ``latency`` later. `Slots` is that rule, in closed form and
without a clock; `SimulatedRequests` and `ThreadedRequests` apply it in simulated and in real time. Because
both follow it to the nanosecond, the latencies of a real flight give back the same flight in simulation.

Serial, latency 30 ms, tick 20 ms (``o1`` is the observation made by tick 0's step; docs/timing.md):

    starts   on   arrives   used at tick
     -20     o0     10        1  (20 ms)
      10     o1     40        2  (40 ms)
      40     o3     70        4  (80 ms)
      70     o4    100        5 (100 ms)
"""

from __future__ import annotations

import heapq
import operator
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import NamedTuple, Protocol, TypeAlias

from ontick.clock import NS_PER_MS, NS_PER_S, Clock, Nanoseconds
from ontick.controllers.base import Controller, Decision, Observation
from ontick.errors import OntickError, blame
from ontick.late import newest_of
from ontick.latency import LatencyStream
from ontick.records import AnswerRecord, State


class Answer(NamedTuple):
    """A decision that has arrived, or will at a known time."""

    arrived: Nanoseconds
    observation_tick: int
    started: Nanoseconds
    decision: Decision

    @property
    def action(self) -> int | None:
        """What was answered; None when nothing usable was."""
        return self.decision.action

    def record(self) -> AnswerRecord:
        """Return what the run's record keeps of it."""
        arrived, observation_tick, started, decision = self
        action, valid, _, text, failure, ttft_ms, prompt_tokens, completion_tokens, new_tokens, then, at_tick = decision
        latency_ms = (arrived - started) / NS_PER_MS
        return AnswerRecord(  # by position, since this is on every tick's path
            observation_tick,
            started / NS_PER_MS,
            latency_ms,
            action,
            valid,
            text,
            failure,
            ttft_ms,
            prompt_tokens,
            completion_tokens,
            new_tokens,
            then or None,
            at_tick,
        )


class Start(NamedTuple):
    """The next request: which observation, and the moment from which its latency counts."""

    observation_tick: int
    at: Nanoseconds
    published: Nanoseconds
    """When that observation is made known."""


class Slots:
    """At most ``in_flight`` open requests, each on an observation of its own.

    ``o[k]`` is published at ``(k - 1) * tick``. A slot that comes free exactly then sees it.
    """

    def __init__(self, in_flight: int, tick: Nanoseconds) -> None:
        self._tick = tick
        self._free_since: list[Nanoseconds] = [-tick] * in_flight
        self._last_taken = -1

    def next(self) -> Start | None:
        """Return the next request, or None while every slot is busy.

        Its observation may not be published yet. It is the newest at the moment the slot came free, or the
        first one after that if that one was taken.
        """
        if not self._free_since:
            return None
        free = self._free_since[0]
        observation_tick = max(free // self._tick, self._last_taken) + 1
        published = (observation_tick - 1) * self._tick
        return Start(observation_tick, max(free, published), published)

    def take(self, start: Start) -> None:
        """Occupy the slot that has been free longest."""
        heapq.heappop(self._free_since)
        self._last_taken = start.observation_tick

    def release(self, at: Nanoseconds) -> None:
        """Free a slot at ``at``, which may lie in the future."""
        heapq.heappush(self._free_since, at)


Ask: TypeAlias = Callable[[Observation], Decision]
"""A controller's ``decide``, held to its contract."""


def asking(controller: Controller, actions: int) -> Ask:
    """Return ``controller.decide`` with illegal answers made invalid and its errors made readable.

    The returned callable raises `OntickError` when the controller raises anything else.
    """

    def ask(shown: Observation) -> Decision:
        try:
            return _legal(controller.decide(shown), actions)
        except OntickError:
            raise
        except (Exception, SystemExit) as error:
            raise OntickError(
                f"the controller failed on the observation of tick {shown.tick}: {blame(error)}"
            ) from error

    return ask


def _legal(decision: object, actions: int) -> Decision:
    """Turn NumPy's numbers into plain ones, and an action that is not there into an invalid answer.

    Raises:
        TypeError: the decision is none.
    """
    if not isinstance(decision, Decision):
        raise TypeError(f"decide returned {decision!r}, which is no ontick.controllers.base.Decision")
    action, valid, delay, text, failure, _, _, _, _, then, at_tick = decision
    if (
        type(action) is int
        and 0 <= action < actions
        and valid is True
        and delay == 0
        and text is failure is at_tick is None
        and not then
    ):
        return decision  # most are as they should be, and this is on every tick's path
    if action is not None:
        action = operator.index(action)
        valid = bool(valid) and 0 <= action < actions
    return decision._replace(
        action=action if valid else None,
        valid=bool(valid),
        delay=max(0, operator.index(delay)),
        text=None if text is None else str(text),
        failure=None if failure is None else str(failure),
    )


class Mailbox:
    """Answers on their way, waiting to be collected, and collected, in the order of their arrival."""

    def __init__(self) -> None:
        self._waiting: list[Answer] = []
        self._usable: list[Answer] = []
        self._newest: list[int] = []
        """The newest observation answered by ``_usable[: n + 1]``."""

    def put(self, answer: Answer) -> None:
        """Add an answer; its arrival may lie in the future."""
        heapq.heappush(self._waiting, answer)

    def collect(self, deadline: Nanoseconds) -> list[Answer]:
        """Take out what has arrived by ``deadline``."""
        arrived: list[Answer] = []
        while self._waiting and self._waiting[0].arrived <= deadline:
            answer = heapq.heappop(self._waiting)
            arrived.append(answer)
            if answer.action is not None:
                self._usable.append(answer)
                self._newest.append(max(answer.observation_tick, self._newest[-1] if self._newest else -1))
        return arrived

    def uncollected(self) -> list[Answer]:
        """Return what is left."""
        return sorted(self._waiting)

    def promised(self, start: Start) -> tuple[int, ...]:
        """Return the action that the observation's own tick will take unless a newer answer is there by then.

        That is the newest answer to arrive after the observation was published, up to the start: what came
        before was collected earlier. A world that is catching up may have collected it already.
        """
        late = len(self._usable)
        if not self._waiting and not (late and self._usable[-1].arrived > start.published):
            return ()
        while late and self._usable[late - 1].arrived > start.published:
            late -= 1
        used_before = self._newest[late - 1] if late else -1
        arrived = [answer for answer in self._usable[late:] + self._waiting if answer.arrived <= start.at]
        fresh = newest_of(arrived, used_before)
        return () if fresh is None or fresh.action is None else (fresh.action,)


class Requests(AbstractContextManager["Requests"], Protocol):
    """The controller as the loop sees it. Leaving the context ends the episode's requests."""

    def publish(self, observation_tick: int, state: State) -> None:
        """Make ``o[observation_tick]`` known. Call it once for each, in order."""
        ...

    def collect(self, deadline: Nanoseconds) -> list[Answer]:
        """Return the answers that have arrived by ``deadline`` and were not returned before, in order of arrival."""
        ...

    def uncollected(self) -> list[Answer]:
        """Return, after the context, the answers that came or would have come after the last tick."""
        ...


class SimulatedRequests:
    """Simulated time: the controller answers at once, and its answer arrives when the latencies say."""

    def __init__(self, ask: Ask, slots: Slots, latencies: LatencyStream) -> None:
        self._ask = ask
        self._slots = slots
        self._latencies = latencies
        self._mailbox = Mailbox()

    def publish(self, observation_tick: int, state: State) -> None:
        """Start every request that this observation is for: at most one, and it may start between ticks."""
        start = self._slots.next()
        # A slot's release is known in advance, so what is to start before the next publication starts here.
        if start is not None and start.observation_tick == observation_tick:
            self._slots.take(start)
            shown = Observation(state, observation_tick, self._mailbox.promised(start))
            began = time.perf_counter_ns()
            decision = self._ask(shown)
            measured = time.perf_counter_ns() - began
            arrived = start.at + self._latencies.next(observation_tick, measured) + decision.delay
            self._slots.release(arrived)
            self._mailbox.put(Answer(arrived, observation_tick, start.at, decision))

    def collect(self, deadline: Nanoseconds) -> list[Answer]:
        """Return what has arrived; see `Requests.collect`."""
        return self._mailbox.collect(deadline)

    def uncollected(self) -> list[Answer]:
        """Return what the episode did not wait for; see `Requests.uncollected`."""
        return self._mailbox.uncollected()

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

    def __init__(self, ask: Ask, slots: Slots, clock: Clock, in_flight: int) -> None:
        self._ask = ask
        self._slots = slots
        self._clock = clock
        self._published: list[State] = []
        self._mailbox = Mailbox()
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

    def collect(self, deadline: Nanoseconds) -> list[Answer]:
        """Return what has arrived; see `Requests.collect`.

        Raises:
            BaseException: what the controller raised.
        """
        with self._changed:
            self._raise_error()
            return self._mailbox.collect(deadline)

    def uncollected(self) -> list[Answer]:
        """Return what the episode did not wait for; see `Requests.uncollected`."""
        with self._changed:
            return self._mailbox.uncollected()

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
                    self._closing.wait(decision.delay / NS_PER_S)
                self._arrive(start, decision, due)
        except BaseException as error:
            self._error = error  # raised again in the loop's thread

    def _next_request(self) -> tuple[Start, Observation] | None:
        """Wait for an observation to start on; return None when the episode has ended."""
        with self._changed:
            while not self._closing.is_set():
                start = self._slots.next()
                if start is not None and start.observation_tick < len(self._published):
                    self._slots.take(start)
                    state = self._published[start.observation_tick]
                    return start, Observation(state, start.observation_tick, self._mailbox.promised(start))
                self._changed.wait()
        return None

    def _arrive(self, start: Start, decision: Decision, due: Nanoseconds) -> None:
        with self._changed:
            arrived = max(self._clock.now(), due)  # ``due`` is later only when the episode ended during the delay
            self._slots.release(arrived)
            self._mailbox.put(Answer(arrived, start.observation_tick, start.at, decision))
            self._changed.notify_all()


INTERRUPT_PATIENCE_S = 0.5
"""How long Ctrl-C waits for a call that is under way."""
