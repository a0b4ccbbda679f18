"""What has been asked of a lane's model, and how far are the answers? Kept by the server for pages that come later."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ontick.errors import OntickError
from ontick.records import Json

MOST_WAITING = 4
"""Questions without a whole answer."""

REMEMBERED = 20
"""Questions and answers, the newest."""

UNFINISHED = ("waiting", "reading", "writing")
"""States of an answer that goes on; the others are done, cut, stopped and failed."""


class Exchanges:
    """Of one lane; ``tell`` is called with the message about each that changes."""

    def __init__(self, lane: int, tell: Callable[[Json], None]) -> None:
        self._lane = lane
        self._tell = tell
        self._asked = 0
        self._by_number: dict[int, Json] = {}

    def messages(self) -> Iterable[Json]:
        """Return the message about each, the oldest first."""
        return self._by_number.values()

    def ask(self, question: str) -> int:
        """Note a question; return its running number.

        Raises:
            OntickError: too many wait.
        """
        if sum(exchange["state"] in UNFINISHED for exchange in self._by_number.values()) >= MOST_WAITING:
            raise OntickError(f"{MOST_WAITING} questions wait already; let it answer, or stop it")
        self._asked += 1
        begun = {"say": "talk", "lane": self._lane, "number": self._asked, "question": question, "text": ""}
        self._by_number[self._asked] = {**begun, "state": "waiting", "note": None, "tokens": 0, "tokens_per_s": None}
        if len(self._by_number) > REMEMBERED:
            del self._by_number[next(iter(self._by_number))]
        self._tell(self._by_number[self._asked])
        return self._asked

    def hear(self, number: int, news: Json) -> None:
        """Note what is new of an answer."""
        before = self._by_number.get(number)
        if before is not None and before["state"] in UNFINISHED:
            self._by_number[number] = {**before, **news}
            self._tell(self._by_number[number])

    def end(self) -> None:
        """Whoever answered has gone, in the middle of a sentence or not."""
        for number in list(self._by_number):
            self.hear(number, {"state": "stopped"})

    def clear(self) -> None:
        """Another is here, who was asked nothing."""
        self._by_number = {}
