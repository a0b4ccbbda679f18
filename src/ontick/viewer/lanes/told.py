"""How does a lane's process tell the server what happens, without ever keeping the clock waiting?

The clock's thread only puts ticks into a queue that never blocks. A thread of its own turns the newest into a message
and writes it to the pipe; while the pipe is full, older ticks are left out. What happens only once is never left out.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import NamedTuple, TypeAlias

from ontick.errors import blame
from ontick.records import Json, Tick
from ontick.viewer.lanes.story import Story

TICK, EVENT = b"t", b"e"
"""The first byte of what the server reads: a message for the pages as it is, or an event for the server."""


class _Flown(NamedTuple):
    tick: Tick
    you: bool
    answering: bool


class _Pause(NamedTuple):
    """Nothing is waiting to be told."""


_Said: TypeAlias = _Flown | _Pause | Story | Json


class Told:
    """The way from a lane's process to the server."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._said: SimpleQueue[_Said | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="told", daemon=True)
        self._thread.start()

    def begin(self, story: Story) -> None:
        """Begin to tell of an episode."""
        self._said.put(story)

    def tick(self, tick: Tick, you: bool, answering: bool) -> None:
        """Tell of a tick, unless a newer one comes first; returns at once.

        ``you``: a person has the controls; ``answering``: the model is writing an answer as well.
        """
        self._said.put(_Flown(tick, you, answering))

    def event(self, kind: str, **what: object) -> None:
        """Tell of something that happens once."""
        self._said.put({"is": kind, **what})

    def close(self, patience_s: float) -> None:
        """Wait until everything has been told, but not for long."""
        self._said.put(None)
        self._thread.join(patience_s)

    def _run(self) -> None:
        story: Story | None = None
        untold = False
        for said in self._heard():
            if isinstance(said, _Flown):
                if story is not None:
                    story.add(*said)
                    untold = True
                continue
            if story is not None and untold:
                untold = False
                if not self._worked_out(TICK, story.newest):
                    story = None
            if isinstance(said, Story):
                story = said if self._worked_out(EVENT, partial(_scene, said)) else None
            elif isinstance(said, dict):
                self._write(EVENT, said)

    def _heard(self) -> Iterator[_Said]:
        """Yield what is to be told, in order, with a pause whenever nothing waits."""
        while True:
            try:
                said = self._said.get_nowait()
            except Empty:
                yield _Pause()
                said = self._said.get()
            if said is None:
                yield _Pause()
                return
            yield said

    def _worked_out(self, kind: bytes, message: Callable[[], Json]) -> bool:
        """Tell a message; a task that cannot be shown is reported once an episode, and the flight goes on unseen."""
        try:
            made = message()
        except Exception as error:
            self._write(EVENT, {"is": "remark", "note": f"the flight cannot be shown: {blame(error)}"})
            return False
        self._write(kind, made)
        return True

    def _write(self, kind: bytes, what: Json) -> None:
        with suppress(OSError):  # the server has gone; whoever reads its orders notices
            self._pipe.send_bytes(kind + json.dumps(what).encode())


def _scene(story: Story) -> Json:
    return {"is": "scene", "message": story.scene()}
