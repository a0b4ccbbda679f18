"""What happens once reaches every page in order; of ticks, each page gets the newest when it is ready."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from ontick.viewer.audience import MOST_BEHIND, Audience

Send = Callable[[str], Awaitable[None]]


def tick(number: int) -> str:
    return json.dumps({"say": "tick", "tick": number})


def heard(texts: list[str]) -> list[object]:
    return [message.get("tick", message["say"]) for message in map(json.loads, texts)]


async def let_run(turns: int = 20) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario()
        others = asyncio.all_tasks() - {asyncio.current_task()}  # pyright: ignore[reportUnknownVariableType]
        for task in others:
            task.cancel()

    asyncio.run(whole())


class Reader:
    """A page's end of the line; it takes a message whenever it is let."""

    def __init__(self, free: bool = True) -> None:
        self.texts: list[str] = []
        self.ready = asyncio.Event()
        if free:
            self.ready.set()

    async def send(self, text: str) -> None:
        await self.ready.wait()
        self.texts.append(text)


def serve(audience: Audience, reader: Reader, first: list[str] | None = None) -> asyncio.Task[None]:
    return asyncio.create_task(audience.serve(audience.join(first or []), reader.send))


def test_a_quick_page_gets_every_tick() -> None:
    async def scenario() -> None:
        audience, reader = Audience(), Reader()
        task = serve(audience, reader, ['{"say": "hello"}'])
        for number in range(5):
            audience.tick(0, tick(number))
            await let_run()
        assert heard(reader.texts) == ["hello", 0, 1, 2, 3, 4]
        assert not task.done()

    run(scenario)


def test_a_slow_page_gets_the_newest_and_keeps_no_one_waiting() -> None:
    async def scenario() -> None:
        audience, slow, quick = Audience(), Reader(free=False), Reader()
        tasks = [serve(audience, reader) for reader in (slow, quick)]
        for number in range(100):
            audience.tick(0, tick(number))
            await let_run()
        assert heard(quick.texts) == list(range(100))
        slow.ready.set()
        await let_run()
        assert heard(slow.texts) == [0, 99]
        assert not any(task.done() for task in tasks)

    run(scenario)


def test_what_happens_once_is_never_left_out_and_ticks_do_not_overtake_it() -> None:
    async def scenario() -> None:
        audience, slow = Audience(), Reader(free=False)
        task = serve(audience, slow)
        audience.tell({"say": "scene"})
        for number in range(10):
            audience.tick(0, tick(number))
            await let_run()
        audience.settle(0)
        audience.tell({"say": "ended"})
        audience.tell({"say": "next scene"})
        audience.tick(0, tick(0))
        slow.ready.set()
        await let_run()
        assert heard(slow.texts) == ["scene", 9, "ended", "next scene", 0]
        assert not task.done()

    run(scenario)


def test_a_tick_that_was_heard_is_not_heard_again_at_the_end() -> None:
    async def scenario() -> None:
        audience, reader = Audience(), Reader()
        task = serve(audience, reader)
        audience.tick(0, tick(7))
        await let_run()
        audience.settle(0)
        audience.tell({"say": "ended"})
        await let_run()
        assert heard(reader.texts) == [7, "ended"]
        assert not task.done()

    run(scenario)


def test_a_page_that_is_hopelessly_behind_is_given_up() -> None:
    async def scenario() -> None:
        audience, dead = Audience(), Reader(free=False)
        page = audience.join([])
        task = asyncio.create_task(audience.serve(page, dead.send))
        for _ in range(MOST_BEHIND + 2):
            audience.tell({"say": "lane"})
            await let_run(2)
        assert page.lost
        assert len(page.unsaid) <= MOST_BEHIND + 2
        dead.ready.set()
        await let_run()
        assert task.done()
        assert len(dead.texts) == 1

    run(scenario)


def test_a_hundred_pages_cost_what_a_few_do() -> None:
    async def scenario() -> None:
        audience = Audience(rounds_per_s=1000)
        readers = [Reader() for _ in range(100)]
        tasks = [serve(audience, reader) for reader in readers]
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while loop.time() - began < 0.5:
            audience.tick(0, tick(number))
            number += 1
            await asyncio.sleep(0.001)
        lasted = loop.time() - began
        sent = sum(len(reader.texts) for reader in readers)
        assert sent <= 1000 * lasted + 100  # each gets the first at once
        assert all(len(reader.texts) >= 2 for reader in readers)
        assert not any(task.done() for task in tasks)

    run(scenario)


def test_of_how_things_stand_only_the_newest_is_sent_to_who_is_behind() -> None:
    async def scenario() -> None:
        audience, slow = Audience(), Reader(free=False)
        task = serve(audience, slow)
        audience.tell({"say": "scene"})
        await let_run()
        for number in range(1000):
            audience.tell({"say": "settings", "tick": number})
        audience.tell({"say": "ended"})
        slow.ready.set()
        await let_run()
        assert heard(slow.texts) == ["scene", 999, "ended"]
        assert not task.done()

    run(scenario)


def test_those_who_look_are_counted() -> None:
    async def scenario() -> None:
        audience, counts = Audience(), list[int]()
        audience.changed = counts.append
        pages = [audience.join([]) for _ in range(2)]
        for page in pages:
            audience.leave(page)
        assert counts == [1, 2, 1, 0]

    run(scenario)
