"""What does the server know of a lane, and how does it have it load, fly and stop?

Every job that a lane's process is given is answered by one event (``ready``, ``ended`` or ``failed``), in order. What a
page that comes later must see is kept here.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Protocol, TypeAlias

from ontick.errors import OntickError
from ontick.evaluation.episodes import Setup
from ontick.records import Json
from ontick.replays.library import run_id
from ontick.viewer.exchanges import Exchanges
from ontick.viewer.lanes.orders import Ask, Begin, Finish, Hush, Key, Live, Order, Prepare, Quit, Seize, Stop
from ontick.viewer.lanes.table import Flown
from ontick.viewer.lanes.told import TICK
from ontick.viewer.process import LaneProcess
from ontick.viewer.settings import YOU

STOP_S = 2.0
"""How long an episode may take to end when it is told to; a call that is under way is waited for half a second."""

QUIT_S = 3.0
"""How long a lane may take to write its summary and go."""


class State(StrEnum):
    """What a lane is doing."""

    EMPTY = "empty"
    LOADING = "loading"
    FLYING = "flying"
    ENDED = "ended"
    FAILED = "failed"


class Pages(Protocol):
    """Whoever is told what happens."""

    def tell(self, message: Json) -> None:
        """Tell something that everyone must hear."""
        ...

    def tick(self, lane: int, message: str) -> None:
        """Tell a lane's newest tick, as JSON."""
        ...

    def settle(self, lane: int) -> None:
        """Have that tick heard before what is told next, and not after it."""
        ...


_Answer: TypeAlias = "Json | None"
"""The event that answers a job; None: the process has gone."""


class Console:
    """The server's side of a lane; all of it runs in the event loop."""

    def __init__(
        self, number: int, pages: Pages, launcher: ThreadPoolExecutor, landed: Callable[[Flown], None]
    ) -> None:
        self.number = number
        self.state = State.EMPTY
        self.note: str | None = None
        self.you = False
        """Whether a person has the controls."""
        self.talks: Json | None = None
        """Which model answers here; None: nobody does."""
        self.exchanges = Exchanges(number, pages.tell)
        self.shown: dict[str, Json] = {}
        """The scene and, once it has ended, the end of the newest episode."""
        self._pages = pages
        self._launcher = launcher
        self._landed = landed
        self._process: LaneProcess | None = None
        self._loaded: tuple[object, ...] | None = None
        self._answers: deque[asyncio.Future[_Answer]] = deque()
        self._flying: tuple[int, asyncio.Future[_Answer]] | None = None
        self._held: int | None = None
        self._runs = Path()
        self._leaving: set[asyncio.Task[None]] = set()

    def as_json(self) -> Json:
        """Return what the page is told of it."""
        return {"state": self.state, "note": self.note, "you": self.you, "talks": self.talks}

    async def prepare(self, setup: Setup, runs: Path, words: tuple[str, ...]) -> bool:
        """Load a controller, unless it is loaded; say whether it can fly. What flew here has been stopped."""
        wanted = (setup.task, setup.controller)
        if self._process is not None and self._loaded != wanted:
            await self.close()
        self.you, self._held, self._runs = setup.controller == YOU, None, runs
        self.shown = {}
        self._be(State.LOADING)
        if self._process is None:
            self.exchanges.clear()
            self._loaded = wanted
            process = self._process = LaneProcess(self.number)
            process.hear = partial(self._hear, process)
            process.gone.add_done_callback(lambda gone: self._lose(process, gone.result()))
            process.start(self._launcher)
        answer = await self._job(Prepare(setup, runs, words))
        return answer is not None and answer["is"] == "ready"

    async def fly(self, episode: int, seed: int, live: Live) -> Json | None:
        """Fly an episode to its end; return the event that says so, None if it failed."""
        answer = self._job(Begin(episode, seed, live, self.you, self._held))
        self._flying = episode, answer
        ended = await asyncio.shield(answer)
        return ended if ended is not None and ended["is"] == "ended" else None

    async def stop(self) -> None:
        """End the episode that flies, if one does; it is recorded as interrupted. What does not end is killed."""
        if self._flying is None or self._process is None:
            return
        process, (episode, answer) = self._process, self._flying
        process.order(Stop(episode))
        if not (await asyncio.wait([answer], timeout=STOP_S))[0]:
            self._lose(process, "it did not come back from its last decision; its process was ended")
            self._see_off(process, 0.0)

    def finish(self) -> None:
        """Have the run's summary written, once nothing flies."""
        self._order(Finish())

    async def close(self) -> None:
        """End the run and the process. What was loading or hangs is killed."""
        await self.stop()
        process, self._process = self._process, None
        if process is None:
            return
        self._fall_silent()
        process.order(Quit())
        self._see_off(process, 0.0 if self._answers else QUIT_S)
        self._answers.clear()
        await self.gone()

    async def gone(self) -> None:
        """Wait until no process that was told to go is there any more."""
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _see_off(self, process: LaneProcess, patience_s: float) -> None:
        """End a process, whatever becomes of whoever wanted it."""
        leaving = asyncio.get_running_loop().create_task(process.end(patience_s))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    def clear(self) -> None:
        """Show nothing any more."""
        self.shown, self.you = {}, False
        self._be(State.EMPTY)

    def change(self, live: Live) -> None:
        """Let settings act at once."""
        self._order(live)

    def seize(self, taken: bool) -> None:
        """Let a person take the controls, from now on, or give them back."""
        if taken != self.you:
            self.you = taken
            self._order(Seize(taken))
            self._pages.tell(self._as_message())

    def press(self, action: int | None) -> None:
        """Hold the key of an action, or none."""
        self._held = action
        self._order(Key(action))

    def ask(self, text: str) -> None:
        """Have the model that flies here answer a question.

        Raises:
            OntickError: nobody here can, or too many questions wait.
        """
        if self.talks is None:
            raise OntickError("nobody on that lane can answer; fly a language model, such as smollm2 or a pilot")
        self._order(Ask(self.exchanges.ask(text), text))

    def hush(self) -> None:
        """End the answer that is under way, and those that wait."""
        self._order(Hush())

    def _fall_silent(self) -> None:
        """Whoever answered here has gone."""
        self.talks = None
        self.exchanges.end()

    def _order(self, order: Order) -> None:
        if self._process is not None:
            self._process.order(order)

    def _job(self, order: Order) -> asyncio.Future[_Answer]:
        answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        self._order(order)
        return answer

    def _lose(self, process: LaneProcess, how: str) -> None:
        """The process has gone, whatever it was doing."""
        if process is not self._process:
            return  # it was told to, or is known to have
        self._process, self._flying = None, None
        self._fall_silent()
        self._be(State.FAILED, how)
        while self._answers:
            _answer(self._answers.popleft(), None)

    def _hear(self, process: LaneProcess, told: bytes) -> None:
        if process is not self._process:
            return  # it has been told to go
        if told[:1] == TICK:
            text = told[1:].decode()
            self._pages.tick(self.number, text)
            return
        event = json.loads(told[1:])
        match event["is"]:
            case "scene":
                self.shown = {"scene": event["message"]}
                self._be(State.FLYING)
                self._pages.tell(event["message"])
            case "remark":
                self._be(self.state, event["note"])
            case "talk":
                self.exchanges.hear(event["number"], event["news"])
            case "ready":
                self.talks = event["talks"]
                self._pages.tell(self._as_message())
                self._reply(event)
            case "ended":
                self._end(event)
            case "failed":
                self._be(State.FAILED, event["note"])
                self._reply(event)
            case _:
                self._reply(event)

    def _end(self, event: Json) -> None:
        self._pages.settle(self.number)
        message = self.shown["ended"] = event["message"]
        if event["folder"] is not None:
            message["run"] = run_id(Path(event["folder"]).relative_to(self._runs).as_posix())
        self._be(State.ENDED)
        self._pages.tell(message)
        if event["flown"] is not None:
            self._landed(Flown(**event["flown"]))
        self._reply(event)

    def _reply(self, event: Json) -> None:
        self._flying = None
        if self._answers:
            _answer(self._answers.popleft(), event)

    def _be(self, state: State, note: str | None = None) -> None:
        self.state, self.note = state, note
        self._pages.tell(self._as_message())

    def _as_message(self) -> Json:
        return {"say": "lane", "lane": self.number, **self.as_json()}


def _answer(future: asyncio.Future[_Answer], answer: _Answer) -> None:
    with suppress(asyncio.InvalidStateError):  # no one waits for it any more
        future.set_result(answer)
