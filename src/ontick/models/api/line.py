"""How does a request to an API travel? One client with connections that stay open, and nothing sent that is not due.

What the official client leaves to be settled: its streams are closed at their last event, before the end of the
HTTP message, which over HTTP/1.1 would drop the connection and cost a new one (with its TLS handshake) at every
question; its time limits hold for each read and not for the whole; and it sends headers from the environment to
whichever host it is given.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx2

from ontick.models.api.address import Address

KEPT_OPEN_S = 300.0
"""How long an idle connection is kept; a server may close it earlier."""

_DUE = frozenset(("host", "accept", "accept-encoding", "connection", "content-type", "content-length", "user-agent"))
_DUE_TO_OPENAI = frozenset(("openai-organization", "openai-project"))


def open_line(address: Address, timeout_s: float) -> httpx2.Client:
    """Return a client for ``address`` that gives any request up after ``timeout_s`` seconds of silence.

    A stream that goes on past that time is given up too, at its next words or after as long again.
    """
    return httpx2.Client(
        timeout=timeout_s,
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEPT_OPEN_S),
        follow_redirects=False,  # a key is for this host only
        event_hooks={
            "request": [partial(_send_only_what_is_due, address), partial(_start, timeout_s)],
            "response": [_read_to_the_end],
        },
    )


def _send_only_what_is_due(address: Address, request: httpx2.Request) -> None:
    """Drop what the environment may have added (OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID), and put the right key in."""
    due = _DUE | _DUE_TO_OPENAI if address.is_openai else _DUE
    for name in [name for name in request.headers if name.lower() not in due]:
        del request.headers[name]
    if address.key:
        request.headers["Authorization"] = f"Bearer {address.key}"


def _start(timeout_s: float, request: httpx2.Request) -> None:
    request.extensions[_DEADLINE] = time.monotonic() + timeout_s


def _read_to_the_end(response: httpx2.Response) -> None:
    if isinstance(response.stream, httpx2.SyncByteStream):
        deadline: float = response.request.extensions[_DEADLINE]
        timeouts = response.request.extensions.get("timeout", {})
        timeouts["read"] = max(0.01, deadline - time.monotonic())
        network: Any = response.extensions.get("network_stream")
        connected: socket.socket | None = network and network.get_extra_info("socket")
        response.stream = _Body(response.stream, deadline, response.request, connected)


_DEADLINE = "ontick_deadline"


class _Body(httpx2.SyncByteStream):
    """A response's bytes, until a deadline; what is left when it is closed is read, so that the line stays usable."""

    def __init__(
        self,
        inner: httpx2.SyncByteStream,
        deadline: float,
        request: httpx2.Request,
        connected: socket.socket | None,
    ) -> None:
        self._inner = inner
        self._connected = connected
        self._chunks: Iterator[bytes] | None = None
        self._deadline = deadline
        self._request = request
        self._broken = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._chunks is None:
            self._chunks = iter(self._inner)
        try:
            chunk = next(self._chunks)
            if time.monotonic() > self._deadline:
                raise httpx2.ReadTimeout("the answer went on for too long", request=self._request)
        except StopIteration:
            raise
        except BaseException:
            self._broken = True
            raise
        return chunk

    def close(self) -> None:
        """Read the few bytes after the last event, unless reading has failed; then let the connection go."""
        if self._chunks is not None and not self._broken and self._connected is not None:
            # A server that says no more, and does not end either, must not hold up the answer that it gave.
            give_up = threading.Timer(PATIENCE_S, _hang_up, (self._connected,))
            give_up.daemon = True
            give_up.start()
            with contextlib.suppress(httpx2.HTTPError, StopIteration):
                for _ in range(_LAST_CHUNKS):
                    next(self)
            give_up.cancel()
        self._inner.close()


def _hang_up(connected: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


PATIENCE_S = 0.05
"""How long an answer that is there waits for its message to end; then the connection is given up instead."""

_LAST_CHUNKS = 8
"""More than what follows a stream's last event; a stream that is given up earlier is not read out."""
