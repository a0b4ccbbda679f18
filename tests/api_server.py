"""A real OpenAI-compatible server on this machine, and a proxy in front of it that lets things go wrong."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ontick.models.catalog import embedded_path

MODEL = "smollm2"
KEY = "sk-loopback-0123456789abcdef"
"""The key that the real server wants."""


@contextmanager
def llama_server() -> Generator[int]:
    """Serve the embedded model by llama-cpp-python's own server; yield its port."""
    port = free_port()
    arguments = {
        "model": str(embedded_path()),
        "model_alias": MODEL,
        "n_ctx": "1024",
        "n_threads": "1",
        "n_threads_batch": "1",
        "port": str(port),
        "host": "127.0.0.1",
        "api_key": KEY,
        "interrupt_requests": "false",  # by default a second question cuts the first one short
    }
    command = [sys.executable, "-m", "llama_cpp.server"]
    for name, value in arguments.items():
        command += [f"--{name}", value]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        deadline = time.monotonic() + 120
        while not _answers(port):
            assert process.poll() is None, "the server did not start"
            assert time.monotonic() < deadline, "the server did not get ready"
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/models", headers={"Authorization": f"Bearer {KEY}"})
    try:
        with urllib.request.urlopen(request, timeout=1) as response:
            return response.status == 200
    except OSError:
        return False


@dataclass
class Asked:
    """One request that the proxy saw."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


def events(*deltas: dict[str, Any], finish: str | None = "stop", usage: dict[str, int] | None = None) -> bytes:
    """Return a stream as OpenAI writes it."""
    steps: list[tuple[dict[str, Any], str | None]] = [(delta, None) for delta in deltas]
    if finish is not None:
        steps.append(({}, finish))
    chunks: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]} for delta, reason in steps
    ]
    if usage is not None:
        chunks.append({"choices": [], "usage": usage})
    common = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": MODEL}
    return b"".join(f"data: {json.dumps(common | chunk)}\n\n".encode() for chunk in chunks) + b"data: [DONE]\n\n"


USAGE = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}

STREAMS: dict[str, bytes] = {
    "digit": events({"content": "1"}, usage=USAGE),
    "empty": events(finish="length"),
    "refusal": events({"refusal": "I will not steer that."}),
    "content_filter": events({"content": "1"}, finish="content_filter"),
    "unfinished": events({"content": "1"}, finish=None),
    "garbage": b'data: {"choices": [{\xff\xfe\n\n',
    "no event": b"<html>maintenance</html>",
    "another shape": b'data: {"choices": 7}\n\n',
    "error event": b'data: {"error": {"message": "the engine died"}}\n\n',
}

RESETS = {"retry-after": "7", "x-ratelimit-reset-requests": "2m59.56s"}

PASS = "pass"

FAILURE_OF = {
    "hang": "timeout",
    "trickle": "timeout",
    "reset": "connection",
    "cut": "broken_stream",
    "400": "http_4xx",
    "401": "http_401",
    "403": "http_403",
    "404": "http_404",
    "429": "http_429",
    "500": "http_5xx",
    "503": "http_5xx",
    "302": "http_3xx",
    "empty": "empty",
    "refusal": "refusal",
    "content_filter": "refusal",
    "unfinished": "broken_stream",
    "garbage": "broken_stream",
    "no event": "broken_stream",
    "another shape": "broken_stream",
    "error event": "broken_stream",
}
"""What the proxy can do to a question, and the kind that it must be counted under."""


@dataclass
class Proxy:
    """Hands everything on to the real server, but for the questions that `fault` names something else for."""

    port: int
    upstream: int
    secure: bool = False
    fault: Callable[[int], str] = lambda number: PASS
    """What happens to the question with this number: `PASS`, ``slow`` or a key of `FAILURE_OF` or `STREAMS`."""
    fault_elsewhere: str = PASS
    """What happens to other requests, such as that for the list of models."""
    rejects: tuple[str, ...] = ()
    """Parameters that a question must not have."""
    connections: int = 0
    """How many were ever opened."""
    serving: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    """One a connection that is open."""
    asked: list[Asked] = field(default_factory=list[Asked])
    done: list[str] = field(default_factory=list[str])
    """What was done to each question."""

    @property
    def url(self) -> str:
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}/v1"

    @property
    def word(self) -> str:
        return f"api:{self.url}#{MODEL}"

    @property
    def questions(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.path.endswith("/chat/completions")]

    def after_warm_up(self, *faults: str) -> None:
        """Let the first question pass, then let these things happen in turn, again and again."""
        self.fault = lambda number: PASS if number == 0 else faults[(number - 1) % len(faults)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)  # the event loop itself would forget one whose client has hung up
        self.connections += 1
        try:
            while (asked := await _read_request(reader)) is not None:
                self.asked.append(asked)
                await self._answer(asked, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, _HangUp):
            pass
        finally:
            self.serving.discard(task)
            writer.close()

    async def _answer(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        fault = self.fault_elsewhere
        if asked.path.endswith("/chat/completions"):
            wrong = [name for name in self.rejects if name in asked.body]
            if wrong:
                await _send_status(writer, 400, asked, f"Unsupported parameter: {wrong[0]!r}")
                return
            fault = self.fault(len(self.done))
            self.done.append(fault)
        if fault == "open end":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            writer.write(_chunk(STREAMS["digit"]))
            await asyncio.sleep(3600)
        elif fault in STREAMS:
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            writer.write(head + _chunk(STREAMS[fault]) + _chunk(b""))
            await writer.drain()
        elif fault.isdigit():
            await _send_status(writer, int(fault), asked, "Something is wrong")
        elif fault == "hang":
            await asyncio.sleep(3600)
        elif fault == "trickle":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
            while True:
                writer.write(_chunk(b": ping\n\n"))
                await writer.drain()
                await asyncio.sleep(0.05)
        elif fault == "reset":
            _reset(writer)
        else:
            if fault == "slow":
                await asyncio.sleep(0.3)
            await self._forward(asked, writer, cut=fault == "cut")

    async def _forward(self, asked: Asked, writer: asyncio.StreamWriter, *, cut: bool) -> None:
        reader, upstream = await asyncio.open_connection("127.0.0.1", self.upstream)
        try:
            body = json.dumps(asked.body).encode() if asked.body else b""
            headers = asked.headers | {"connection": "close", "content-length": str(len(body))}
            lines = [f"{asked.method} {asked.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
            upstream.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(
                b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:"))
            )
            if cut:
                writer.write(await reader.readuntil(b"\n\n" if b"chunked" in head else b"{"))
                await writer.drain()
                _reset(writer)
            while piece := await reader.read(65536):
                writer.write(piece)
                await writer.drain()
        finally:
            upstream.close()


class _HangUp(Exception):  # noqa: N818
    """The connection has been closed on purpose."""


async def _read_request(reader: asyncio.StreamReader) -> Asked | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split()
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, json.loads(body) if body else {})


async def _send_status(writer: asyncio.StreamWriter, status: int, asked: Asked, message: str) -> None:
    """Answer with an error that shows the key, as no server should."""
    body = json.dumps({"error": {"message": f"{message} ({asked.headers.get('authorization')})"}}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body))}
    if status == 429:
        headers |= RESETS
    if status == 302:
        headers["location"] = "http://127.0.0.1:1/elsewhere"
    lines = [f"HTTP/1.1 {status} Because", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if asked.method == "HEAD" else body))
    await writer.drain()


def _chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with a TCP reset."""
    plain: Any = writer.get_extra_info("socket")
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise _HangUp


@contextmanager
def running_proxy(upstream: int, certificate: ssl.SSLContext | None = None) -> Generator[Proxy]:
    """Run a proxy in a thread of its own."""
    proxy = Proxy(free_port(), upstream, secure=certificate is not None)
    loop = asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        return await asyncio.start_server(proxy.serve, "127.0.0.1", proxy.port, ssl=certificate)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        for _ in range(5):  # a connection that was just being accepted becomes a task only now
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.005)

    server = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
