"""Who looks on, and what does each page get? What happens once, in order; of ticks the newest, when it is ready.

A tick is written out once for all. A page that reads slowly gets fewer, and keeps no one waiting; the more pages there
are, the fewer ticks each gets, so that a hundred cost the server what a few do.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ontick.records import Json
from ontick.viewer.settings import LANES

ROUNDS_PER_S = 200
"""How often newest ticks are sent, to all pages together: four get every tick at 50 Hz, a hundred two a second."""

MOST_BEHIND = 256
"""Messages that a page may be behind before it is given up: minutes of what happens only once."""

MOST_PAGES = 256

ONLY_NEWEST = frozenset({"settings", "table", "talk"})
"""Messages that say how things stand: an older one need not be sent once there is a newer one about the same."""

Kind: TypeAlias = tuple[object, ...]
"""What a message is about: what it says, and on which lane which answer, where it is about one."""

Send: TypeAlias = Callable[[str], Awaitable[None]]


class Page:
    """One page that is open somewhere."""

    def __init__(self, first: list[str]) -> None:
        self.unsaid: deque[tuple[Kind, str]] = deque(((), text) for text in first)
        """What it has not been sent yet, with what each is about."""
        self.seen = [0] * LANES
        """By lane, the running number of the tick that it was last sent."""
        self.news = asyncio.Event()
        self.lost = False
        """It is hopelessly behind."""

    def put(self, kind: Kind, text: str) -> None:
        """Have it sent a message."""
        if kind[0] in ONLY_NEWEST:
            self.unsaid = deque(said for said in self.unsaid if said[0] != kind)
        self.unsaid.append((kind, text))
        self.lost = self.lost or len(self.unsaid) > MOST_BEHIND
        self.news.set()


class Audience:
    """All pages; everything runs in the event loop and returns at once, but for `serve`."""

    def __init__(self, rounds_per_s: float = ROUNDS_PER_S) -> None:
        self._pages: set[Page] = set()
        self._newest: list[tuple[int, str]] = [(0, "")] * LANES
        """By lane, the newest tick and its running number; 0: none."""
        self._rounds_per_s = rounds_per_s
        self.changed: Callable[[int], None] = lambda pages: None
        """Called with how many pages there are, when that changes."""

    def __len__(self) -> int:
        return len(self._pages)

    def tell(self, message: Json) -> None:
        """Tell something that every page must hear."""
        text = json.dumps(message)
        for page in self._pages:
            page.put(_kind(message), text)

    def tick(self, lane: int, message: str) -> None:
        """Put a lane's newest tick in the place of the one before."""
        self._newest[lane] = self._newest[lane][0] + 1, message
        for page in self._pages:
            page.news.set()

    def settle(self, lane: int) -> None:
        """Have the lane's newest tick heard by all before what is told next, and by no one after that."""
        number, text = self._newest[lane]
        for page in self._pages:
            if page.seen[lane] != number:
                page.seen[lane] = number
                page.put(("tick",), text)

    def newest(self, lane: int) -> str | None:
        """Return the lane's newest tick, for one who comes late."""
        return self._newest[lane][1] or None

    def forget(self, lane: int) -> None:
        """The lane shows nothing any more."""
        self._newest[lane] = self._newest[lane][0], ""

    def only(self, page: Page, message: Json) -> None:
        """Tell something to one page."""
        page.put(_kind(message), json.dumps(message))

    def join(self, first: list[str]) -> Page:
        """Add a page, which hears ``first`` first; the newest ticks are to be among that."""
        page = Page(first)
        page.seen = [number for number, _ in self._newest]
        page.news.set()
        self._pages.add(page)
        self.changed(len(self._pages))
        return page

    def leave(self, page: Page) -> None:
        """Take a page away."""
        self._pages.discard(page)
        self.changed(len(self._pages))

    async def serve(self, page: Page, send: Send) -> None:
        """Send a page what it is to hear, until it is hopelessly behind; ``send`` may take as long as it likes."""
        while not page.lost:
            await page.news.wait()
            page.news.clear()
            while page.unsaid and not page.lost:
                await send(page.unsaid.popleft()[1])
            for lane, (number, text) in enumerate(self._newest):
                if page.seen[lane] != number and text and not page.unsaid:
                    page.seen[lane] = number
                    await send(text)
            share_s = len(self._pages) / self._rounds_per_s
            if share_s > 1 / 50:
                await asyncio.sleep(share_s)


def _kind(message: Json) -> Kind:
    return message["say"], message.get("lane"), message.get("number")
