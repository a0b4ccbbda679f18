"""What happens on the stage? Settings, one or two lanes that fly the same seed, episode after episode, and the table.

One stage for everyone who looks: they see the same flight, and each may control it. Flying begins, and goes on to the
next seed, only while someone looks; an episode that has begun is flown to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ontick.errors import OntickError, unknown_name
from ontick.evaluation.episodes import Setup
from ontick.tasks.base import Task
from ontick.viewer.audience import Audience
from ontick.viewer.console import Console, State
from ontick.viewer.lanes.orders import Live
from ontick.viewer.lanes.table import Flown, Table
from ontick.viewer.settings import LANES, LARGEST_SEED, Settings, changed

BETWEEN_S = 1.0
"""Between two episodes, so that one sees how the first ended."""


@dataclass(frozen=True)
class Programme:
    """What a stage is set up with."""

    first: Settings
    base: Setup
    """All that cannot be set on the page: how models are loaded and asked."""
    runs: Path
    tasks: Mapping[str, Task]
    may_fly: Callable[[str], bool]
    """Whether a page may name a controller."""


class Stage:
    """The stage; everything runs in the event loop and returns at once, but for `close`."""

    def __init__(self, programme: Programme, audience: Audience, launcher: ThreadPoolExecutor) -> None:
        self.settings = programme.first
        self.table = Table()
        self.consoles = [Console(lane, audience, launcher, self._landed) for lane in range(LANES)]
        self._programme = programme
        self._audience = audience
        self._flying = programme.first
        """The settings that what flies began with; its ``seed`` counts up."""
        self._episode = 0
        self._work: asyncio.Task[None] | None = None
        self._watched = asyncio.Event()
        audience.changed = self._look

    def fly(self, changes: Mapping[str, Any]) -> None:
        """Fly anew, with settings changed; what flies is stopped first.

        Raises:
            OntickError: they cannot be so.
        """
        self._change(changes)
        self._instead(self._perform)

    def set(self, changes: Mapping[str, Any]) -> None:
        """Change settings; see `Settings` for which act at once.

        Raises:
            OntickError: they cannot be so.
        """
        before = self._live
        self._change(changes)
        if self._live != before:
            for console in self.consoles:
                console.change(self._live)

    def stop(self) -> None:
        """End what flies; it is recorded as interrupted."""
        self._instead(self._end)

    def seize(self, lane: int, taken: bool) -> None:
        """Let a person take a lane's controls, or give them back.

        Raises:
            OntickError: no one flies there.
        """
        console = self.consoles[lane]
        if console.state not in (State.LOADING, State.FLYING, State.ENDED):
            raise OntickError("no one flies on that lane; press Fly first")
        console.seize(taken)

    def press(self, lane: int, action: int | None) -> None:
        """Hold the key of an action on a lane.

        Raises:
            OntickError: its task has no such action.
        """
        task = self._programme.tasks[self._flying.task]
        actions = len(task.actions)
        if action is not None and action >= actions and action != task.noop:
            raise OntickError(f"{task.name} has no action {action}; its actions are 0 to {actions - 1}")
        # A no-op beyond the actions cannot be answered; it is what holding no key is under that late rule.
        self.consoles[lane].press(None if action is not None and action >= actions else action)

    def ask(self, lane: int, text: str) -> None:
        """Have the model that flies on a lane answer a question, while it flies.

        Raises:
            OntickError: nobody there can.
        """
        self.consoles[lane].ask(text)

    def hush(self, lane: int) -> None:
        """End the answer that a lane's model is writing."""
        self.consoles[lane].hush()

    def react(self, times_ms: tuple[float, ...]) -> None:
        """Take in a person's reaction times."""
        self.table.react(times_ms)
        self._tell_table()

    async def close(self) -> None:
        """End everything; what flies is recorded."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait([self._work])
        await asyncio.gather(*(console.close() for console in self.consoles))

    @property
    def _live(self) -> Live:
        settings = self.settings
        return Live(settings.late, settings.delay_ms, settings.speed)

    def _change(self, changes: Mapping[str, Any]) -> None:
        settings = changed(self.settings, changes, self._programme.may_fly)
        if settings.task not in self._programme.tasks:
            raise unknown_name("task", settings.task, self._programme.tasks)
        self._adopt(settings)

    def _adopt(self, settings: Settings) -> None:
        if settings != self.settings:
            self.settings = settings
            self._audience.tell({"say": "settings", "settings": settings.as_json()})

    def _look(self, pages: int) -> None:
        if pages:
            self._watched.set()
        else:
            self._watched.clear()

    def _instead(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do something in place of what is being done."""
        before = self._work

        async def do() -> None:
            if before is not None:
                before.cancel()
                await asyncio.wait([before])
            await work()

        self._work = asyncio.get_running_loop().create_task(do())

    async def _end(self) -> None:
        await asyncio.gather(*(console.stop() for console in self.consoles))
        for console in self.consoles:
            console.finish()
            if console.state is State.LOADING:  # it goes on loading, for when it is wanted
                console.clear()

    async def _perform(self) -> None:
        """Load what the settings say and fly it, seed after seed."""
        await self._end()
        self._flying = self.settings
        words = self._flying.controllers
        for lane, console in enumerate(self.consoles):
            self._audience.forget(lane)
            if lane >= len(words):
                await console.close()
                console.clear()
        cast = self.consoles[: len(words)]
        ready = await asyncio.gather(*(self._prepare(console, word) for console, word in zip(cast, words, strict=True)))
        cast = [console for console, is_ready in zip(cast, ready, strict=True) if is_ready]
        while cast:
            await self._watched.wait()
            self._episode += 1
            flights = [console.fly(self._episode, self._flying.seed, self._live) for console in cast]
            ends = await asyncio.gather(*flights)
            cast = [console for console, end in zip(cast, ends, strict=True) if end is not None]
            if not self.settings.go_on or self._flying.seed >= LARGEST_SEED:
                break
            await asyncio.sleep(BETWEEN_S)
            self._next_seed()
        for console in self.consoles:
            console.finish()

    async def _prepare(self, console: Console, word: str) -> bool:
        flying = self._flying
        setup = replace(
            self._programme.base,
            task=flying.task,
            controller=word,
            episodes=1,
            seed=flying.seed,
            late=self.settings.late,
            delay=f"{self.settings.delay_ms:g}" if self.settings.delay_ms else None,
            in_flight=flying.in_flight,
        )
        beside = (f"lane{console.number + 1}",) if len(flying.controllers) > 1 else ()
        return await console.prepare(setup, self._programme.runs, ("watch", flying.task, word, *beside))

    def _next_seed(self) -> None:
        """Go on to the next seed, which the page shows unless someone has chosen another for the next flight."""
        untouched = self.settings.seed == self._flying.seed
        self._flying = replace(self._flying, seed=self._flying.seed + 1)
        if untouched:
            self._adopt(replace(self.settings, seed=self._flying.seed))

    def _landed(self, flown: Flown) -> None:
        self.table.add(flown)
        self._tell_table()

    def _tell_table(self) -> None:
        self._audience.tell({"say": "table", "rows": self.table.rows()})
