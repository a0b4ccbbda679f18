"""`ontick watch` as a process, and tabs that speak with it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from ontick.records import Json

HERE = Path(__file__).parent
FLOWN = HERE / "flown.py"
PATIENCE_S = 60.0
"""No test waits so long on a machine that works; none asserts a time."""


def controller(name: str) -> str:
    return f"python:{FLOWN}:{name}"


def processes() -> list[tuple[str, str, str, str, str]]:
    """Return what runs here, each its id, its parent's, its state, its niceness and its command."""
    told = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,stat=,nice=,args="], capture_output=True, text=True, check=True
    )
    found = [line.split(None, 4) for line in told.stdout.splitlines()]
    return [(pid, parent, state, nice, rest[0]) for pid, parent, state, nice, *rest in found if rest]


def is_alive(pid: int) -> bool:
    return any(int(one) == pid and not state.startswith("Z") for one, _, state, _, _ in processes())


class Watch:
    """A running server."""

    def __init__(self, runs: Path, *arguments: str) -> None:
        self.runs = runs
        command = [sys.executable, "-m", "ontick", "watch", *arguments]
        options = ["--port", "0", "--runs", str(runs), "--task-module", str(FLOWN), "--json"]
        path = os.pathsep.join((str(HERE.parent), os.environ.get("PYTHONPATH", "")))
        self.process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        assert said, self.process.communicate()
        self.told: Json = json.loads(said)
        self.url: str = self.told["url"]

    @property
    def origin(self) -> str:
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname is not None
        assert parts.port is not None
        return parts.hostname, parts.port

    @property
    def token(self) -> str:
        return urlsplit(self.url).path.strip("/")

    def lanes(self) -> list[int]:
        """Return the processes that the server has started."""
        own = str(self.process.pid)
        return [int(pid) for pid, parent, _, _, args in processes() if parent == own and "resource_tracker" not in args]

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[str, str]:
        """Ask it to end, as the terminal does: everyone in its group; return what it has said since."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        return self.process.communicate(timeout=PATIENCE_S)


@contextmanager
def watching(runs: Path, *arguments: str) -> Generator[Watch]:
    watch = Watch(runs, *arguments)
    try:
        yield watch
    finally:
        _, errors = watch.end()
        assert "Traceback" not in errors, errors


class Tab:
    """One page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.heard: list[Json] = []

    def say(self, do: str, **what: Any) -> None:
        self._socket.send(json.dumps({"do": do, **what}))

    def send(self, text: str | bytes) -> None:
        self._socket.send(text)

    def messages(self) -> Iterator[Json]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            message = json.loads(self._socket.recv(timeout=max(0.0, deadline - time.monotonic())))
            self.heard.append(message)
            yield message

    def until(self, wanted: Callable[[Json], bool]) -> Json:
        """Hear messages until one is as wanted."""
        return next(message for message in self.messages() if wanted(message))

    def told(self, say: str, **what: Any) -> Json:
        """Hear messages until one says so."""
        return self.until(lambda message: message["say"] == say and what.items() <= message.items())

    def once(self, say: str, **what: Any) -> Json:
        """Return the first message that says so, heard already or to come."""
        wanted = {"say": say, **what}.items()
        found = (message for message in self.heard if wanted <= message.items())
        return next(found, None) or self.told(say, **what)

    def lanes(self) -> dict[int, Json]:
        """Return what has been heard of each lane last."""
        found = {lane: told for hello in self.heard[:1] for lane, told in enumerate(hello["lanes"])}
        return found | {message["lane"]: message for message in self.heard if message["say"] == "lane"}

    def fly(self, *controllers: str, **settings: Any) -> Json:
        """Fly; return the scene of the first lane."""
        self.say("fly", settings={"controllers": list(controllers), "go_on": False, **settings})
        self.until(lambda message: message["say"] == "lane" and message["state"] == "loading")
        return self.told("scene", lane=0)

    def settled(self) -> None:
        """Hear everything that was said before now."""
        stamp = time.monotonic_ns() % 2**31
        self.say("ping", t=stamp)
        self.told("pong", t=stamp)


@contextmanager
def tab(watch: Watch) -> Generator[Tab]:
    address = watch.url.replace("http", "ws", 1) + "ws"
    with connect(address, origin=watch.origin, max_size=None, compression=None) as socket:  # pyright: ignore[reportArgumentType]
        yield Tab(socket)
