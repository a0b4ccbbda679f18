"""How is the page served, and how does it end? A socket, a low priority, and nothing left when it stops."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from ontick.errors import OntickError
from ontick.viewer.audience import MOST_PAGES, Audience
from ontick.viewer.greeting import greeting, suggestions
from ontick.viewer.guard import Guard, is_loopback, new_token
from ontick.viewer.messages import LONGEST_MESSAGE
from ontick.viewer.process import launcher
from ontick.viewer.shelves import Shelves
from ontick.viewer.site import Site
from ontick.viewer.stage import Programme, Stage

NICER_BY = 5
"""How far the server's priority is lowered: a clock on the same cores goes first."""

SEND_BUFFER_BYTES = 1 << 16
"""What the system may hold of messages that a page has not read: about a second of ticks, not minutes."""

DEAF_MS = 30_000
"""After how long a connection is cut that takes nothing any more, where the system can do that."""

INSISTS_S = 1.0
"""Programs such as `timeout` and `make` pass one Ctrl-C on twice."""

FAREWELL_S = 1
"""How long pages may take to close their connections at the end."""


@dataclass(frozen=True)
class Place:
    """Where a page is served, and which runs it shows."""

    host: str
    port: int
    """0: a free one."""
    replays: tuple[Path, ...] = ()
    """Folders of runs besides the one that is recorded in."""


def serve(place: Place, programme: Programme, opened: Callable[[Guard], None]) -> signal.Signals:
    """Serve until a signal says that it is enough; return which. ``opened`` is called once the page can be opened.

    Raises:
        OntickError: it cannot listen there, or a folder holds no run.
    """
    shelves = Shelves(programme.runs, place.replays, programme.base.task_module)
    with _listening(place.host, place.port) as listener:
        judge = Guard(new_token(), place.host, listener.getsockname()[1])
        return asyncio.run(_serve(listener, judge, programme, shelves, opened))


async def _serve(
    listener: socket.socket, judge: Guard, programme: Programme, shelves: Shelves, opened: Callable[[Guard], None]
) -> signal.Signals:
    enough = _enough()
    starts_processes = launcher()
    _give_way()
    audience = Audience()
    stage = Stage(programme, audience, starts_processes)
    stage.fly({})  # a controller may take long to load; it flies once someone looks
    controllers = suggestions(programme.first.controllers, is_loopback(judge.host))
    hello = await asyncio.to_thread(greeting, programme.tasks, programme.base, controllers)
    server = _Server(_config(Site(stage, audience, shelves, judge, hello)))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        opened(judge)
        await asyncio.wait([enough, serving], return_when=asyncio.FIRST_COMPLETED)
    finally:
        server.should_exit = True
        await asyncio.gather(stage.close(), serving)
        starts_processes.shutdown()
    return enough.result() if enough.done() else signal.SIGTERM


class _Server(uvicorn.Server):
    def capture_signals(self) -> contextlib.AbstractContextManager[None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Leave signals alone: what flies must be recorded first."""
        return contextlib.nullcontext()


def _config(site: Site) -> uvicorn.Config:
    return uvicorn.Config(
        site,
        lifespan="off",
        log_config=None,
        log_level="error" if os.environ.get("ONTICK_DEBUG") else "critical",
        access_log=False,
        proxy_headers=False,  # no one stands between
        server_header=False,
        ws_max_size=LONGEST_MESSAGE,
        ws_per_message_deflate=False,  # it would cost more than the loopback's bytes
        limit_concurrency=2 * MOST_PAGES,
        timeout_graceful_shutdown=FAREWELL_S,
    )


def _enough() -> asyncio.Future[signal.Signals]:
    """Return what is set by Ctrl-C or a request to end; a second one, from `INSISTS_S` on, waits for nothing."""
    loop = asyncio.get_running_loop()
    enough: asyncio.Future[signal.Signals] = loop.create_future()
    heard_at: list[float] = []

    def hear(said: signal.Signals) -> None:
        heard_at.append(loop.time())
        if not enough.done():
            enough.set_result(said)
        elif loop.time() - heard_at[0] >= INSISTS_S:
            os._exit(128 + said)  # the lanes notice, record what flies and end

    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(one, hear, one)
    return enough


def _give_way() -> None:
    """Lower the priority of this thread and of those that it starts; the thread that starts lanes is there already."""
    if sys.platform == "linux":  # elsewhere it would be the whole process's, and the lanes would inherit it
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, os.getpriority(os.PRIO_PROCESS, 0) + NICER_BY)


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens there.

    Raises:
        OntickError: it cannot.
    """
    if not 0 <= port <= 65535:
        raise OntickError(f"--port {port} is no port; give 1 to 65535, or 0 for a free one")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise OntickError(f"--host {host} is no address ({error}); leave it out for this machine only") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if sys.platform == "linux":
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAF_MS)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> OntickError:
    if error.errno == errno.EADDRINUSE:
        return OntickError(f"port {port} is busy; stop what uses it, or let --port 0 pick a free one")
    if error.errno == errno.EACCES:
        return OntickError(f"port {port} is not for ordinary users; give one from 1024 on, or --port 0 for a free one")
    return OntickError(f"cannot listen at {host} ({error.strerror}); leave --host out for this machine only")
