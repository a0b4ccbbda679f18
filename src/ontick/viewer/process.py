"""How does the server hold a lane's process? By two pipes with a thread each, so that it never waits for one.

What happens to the process stays there: when it is killed, crashes or hangs, the server only notices that it has gone.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import resource_tracker
from queue import SimpleQueue

from ontick.viewer.lanes.lane import run_lane
from ontick.viewer.lanes.orders import Order
from ontick.viewer.lanes.told import TICK

MOST_UNHEARD = 1000
"""Orders to a process that hears none; more are dropped."""


def launcher() -> ThreadPoolExecutor:
    """Return the thread that starts processes.

    They inherit from it: its priority, which stays while the server lowers its own, and that Ctrl-C is not for them
    until they can say so themselves.
    """

    def leave_ctrl_c_to_the_server() -> None:
        resource_tracker.ensure_running()  # starting it with the first process would allow the signal again
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})

    pool = ThreadPoolExecutor(1, "launcher", leave_ctrl_c_to_the_server)
    pool.submit(int).result()
    return pool


class LaneProcess:
    """A process that is a lane, once it has been started."""

    def __init__(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._heard, self._orders = context.Pipe(duplex=False)
        self._told, self._tells = context.Pipe(duplex=False)
        self._process = context.Process(target=run_lane, args=(number, self._heard, self._tells), name=f"lane-{number}")
        self._loop = asyncio.get_running_loop()
        self.hear: Callable[[bytes], None] = lambda told: None
        """Called in the event loop with every event, and with ticks, of which older ones may be left out."""
        self._unheard: SimpleQueue[Order | None] = SimpleQueue()
        self._inbox: list[bytes] = []
        self._lock = threading.Lock()
        self._started: asyncio.Future[None]
        self.gone: asyncio.Future[str] = self._loop.create_future()
        """Set when the process has ended, to a sentence that says how."""

    def start(self, launcher: ThreadPoolExecutor) -> None:
        """Start the process and the threads that speak with it; returns at once."""
        self._started = self._loop.run_in_executor(launcher, self._process.start)
        self._started.add_done_callback(self._begin)

    def _begin(self, started: asyncio.Future[None]) -> None:
        self._heard.close()
        self._tells.close()
        error = started.exception()
        if error is not None:
            self._leave(f"no process could be started for it: {error}")
            return
        for work in (self._read, self._write):
            threading.Thread(target=work, name=f"{self._process.name}-{work.__name__}", daemon=True).start()

    def order(self, order: Order) -> None:
        """Send an order; returns at once."""
        if self._unheard.qsize() < MOST_UNHEARD:
            self._unheard.put(order)

    async def end(self, patience_s: float) -> None:
        """Wait until the process has gone; kill it when that takes longer."""
        await asyncio.wait([self.gone], timeout=patience_s)
        await asyncio.wait([self._started])
        if not self.gone.done():
            self._process.kill()
            await self.gone

    def _read(self) -> None:
        """Pass on what the process tells, and at last how it ended."""
        with suppress(OSError, EOFError):
            while True:
                self._take(self._told.recv_bytes())
        self._told.close()
        self._process.join()
        self._unheard.put(None)
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._leave, _how(self._process.exitcode or 0))

    def _take(self, told: bytes) -> None:
        """Put what was told into the inbox; a tick takes the place of an older one that has not been read."""
        with self._lock:
            waiting = bool(self._inbox)
            if waiting and self._inbox[-1][:1] == told[:1] == TICK:
                self._inbox[-1] = told
            else:
                self._inbox.append(told)
        if not waiting:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._empty_inbox)

    def _empty_inbox(self) -> None:
        with self._lock:
            told, self._inbox = self._inbox, []
        for one in told:
            self.hear(one)

    def _leave(self, how: str) -> None:
        if not self.gone.done():
            self.gone.set_result(how)

    def _write(self) -> None:
        with suppress(OSError):
            while (order := self._unheard.get()) is not None:
                self._orders.send(order)
        self._orders.close()


def _how(exit_code: int) -> str:
    """Say how a process ended."""
    if exit_code >= 0:
        return f"its process ended (status {exit_code})"
    try:
        return f"its process crashed ({signal.Signals(-exit_code).name})"
    except ValueError:
        return f"its process crashed (signal {-exit_code})"
