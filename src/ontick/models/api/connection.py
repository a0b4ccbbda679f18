"""How good is the line to an API? Connecting, its TLS handshake, and round trips over a connection that stays open.

Measured beside the client that asks the model, with the standard library: a new TCP connection (the name looked up
too), then `ROUND_TRIPS` HEAD requests over it, without a key. Jitter is the mean absolute difference of consecutive
round trips: what RFC 3550, section 6.4.1, smooths for packets, taken as a plain mean.
"""

from __future__ import annotations

import http.client
import itertools
import math
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ontick.models.api.address import Address

ROUND_TRIPS = 20


@runtime_checkable
class Remote(Protocol):
    """A model at the other end of a line."""

    @property
    def address(self) -> Address:
        """Where it is asked."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """What was measured of a connection; times in milliseconds."""

    host: str
    connect_ms: float | None
    """Looking the name up and connecting; None when it failed."""
    tls_ms: float | None
    """The TLS handshake; None without one."""
    round_trips_ms: tuple[float, ...]
    failures: tuple[str, ...]
    """What went wrong, one entry a failed attempt."""

    @property
    def jitter_ms(self) -> float | None:
        """Mean absolute difference of consecutive round trips; None with fewer than two."""
        trips = self.round_trips_ms
        if len(trips) < 2:
            return None
        return math.fsum(abs(b - a) for a, b in itertools.pairwise(trips)) / (len(trips) - 1)


def check_line(address: Address, timeout_s: float, round_trips: int = ROUND_TRIPS) -> Line:
    """Connect to ``address`` and time ``round_trips`` requests; what fails is counted, and ends it if it is the line.

    A server that closes the connection after an answer is connected to again, outside the time measured.
    """
    parts = address.parts
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    # A first request may find the server cold, so it is made and not counted.
    trips: list[float] = []
    failures: list[str] = []
    connected: tuple[float, float | None] | None = None
    connection: http.client.HTTPConnection | None = None
    try:
        while len(trips) + len(failures) < round_trips + 1:
            if connection is None:
                connection, connect_ms, tls_ms = _connect(host, port, secure, timeout_s)
                connected = connected or (connect_ms, tls_ms)
            try:
                began = time.perf_counter()
                connection.request("HEAD", f"{parts.path}/models", headers={"Host": parts.netloc})
                response = connection.getresponse()
                response.read()
                trips.append((time.perf_counter() - began) * 1e3)
            except (OSError, http.client.HTTPException) as error:
                failures.append(_name(error))
                closes = True
            else:
                closes = response.will_close
            if closes:
                connection.close()
                connection = None
    except OSError as error:  # nobody there: asking again would only fail again
        failures.append(_name(error))
    finally:
        if connection is not None:
            connection.close()
    connect_ms, tls_ms = connected or (None, None)
    return Line(address.host, connect_ms, tls_ms, tuple(trips[1:]), tuple(failures))


def _connect(
    host: str, port: int, secure: bool, timeout_s: float
) -> tuple[http.client.HTTPConnection, float, float | None]:
    """Return an open connection and how long connecting and the handshake took, in milliseconds.

    Raises:
        OSError: it cannot be opened; `ssl.SSLError` is one too.
    """
    began = time.perf_counter()
    plain = socket.create_connection((host, port), timeout_s)
    connect_ms = (time.perf_counter() - began) * 1e3
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    connection.sock = plain
    if not secure:
        return connection, connect_ms, None
    try:
        context = ssl.create_default_context()
        began = time.perf_counter()
        connection.sock = context.wrap_socket(plain, server_hostname=host)
    except OSError:
        plain.close()
        raise
    return connection, connect_ms, (time.perf_counter() - began) * 1e3


def _name(error: Exception) -> str:
    return type(error).__name__
