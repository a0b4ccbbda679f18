"""Who may speak to the server? Whoever was given its URL, from the page at that URL; pure functions.

A page of another site can make a browser send requests here. It does not know the token that every path begins with; it
cannot read what it asks for; a name that it has made to point here (DNS rebinding) is not among the hosts that are
answered; and a websocket, which browsers let any site open, must come from this server's own page.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

LOOPBACK = "127.0.0.1"

_TOKEN_BYTES = 24
_HTTP_PORT = 80


def new_token() -> str:
    """Return a token that cannot be guessed, fit for a path."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach what listens at ``host``."""
    address = _address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


class Verdict(NamedTuple):
    """Whether a request is answered, and of what path."""

    path: str | None
    """What stands behind the token, from its ``/`` on; None: the request is refused."""
    why: str = ""
    """One line that says why not, and what to do."""


@dataclass(frozen=True)
class Guard:
    """Judges requests to a server that listens at ``host`` and ``port``."""

    token: str
    host: str
    port: int

    @property
    def url(self) -> str:
        """Where the page is, as one opens it on this machine."""
        address = _address(self.host)
        host = LOOPBACK if address is not None and address.is_unspecified else self.host
        return f"http://{_in_url(host)}:{self.port}/{self.token}/"

    def judge(
        self, method: str, path: str, hosts: Sequence[str], origins: Sequence[str], *, websocket: bool
    ) -> Verdict:
        """Judge a request.

        Args:
            method: of HTTP; a websocket's is GET.
            path: as the browser sent it, percent signs decoded, without a query.
            hosts: the request's ``Host`` headers; there must be one.
            origins: its ``Origin`` headers; a websocket must have one.
            websocket: whether it asks for one.
        """
        if len(hosts) != 1 or not self._answers_to(hosts[0]):
            return Verdict(None, f"This server does not answer to that name. {_OPEN}")
        if websocket and list(map(str.lower, origins)) != [f"http://{hosts[0].lower()}"]:
            return Verdict(None, f"A websocket is for this server's own page. {_OPEN}")
        if method not in ("GET", "HEAD"):
            return Verdict(None, f"There is nothing to {method[:16]} here. {_OPEN}")
        token, slash, rest = path.removeprefix("/").partition("/")
        if not secrets.compare_digest(token.encode(errors="replace"), self.token.encode()):
            return Verdict(None, f"The address lacks the token of this run, or has that of another. {_OPEN}")
        return Verdict(slash + rest)

    def _answers_to(self, host: str) -> bool:
        """Say whether a ``Host`` header names this server, not a name that someone has made to point here."""
        name, port = _split(host.lower())
        if port != self.port:
            return False
        if name in ("127.0.0.1", "localhost", "[::1]", _in_url(self.host.lower())):
            return True
        bound = _address(self.host)
        # Listening on every address, it cannot know by which one it is reached; rebinding needs a name, not a number.
        return bound is not None and bound.is_unspecified and _address(name.strip("[]")) is not None


_OPEN = "Open the address that `ontick watch` printed when it started."


def headers(host: str, script_hashes: Sequence[str] = ()) -> dict[str, str]:
    """Return what every answer says to the browser: run and show only what comes from here, and keep none of it.

    Args:
        host: the request's ``Host`` header, once it has been judged.
        script_hashes: of the scripts that stand in the page itself, as ``sha256-…``.
    """
    scripts = " ".join(["'self'", *(f"'{digest}'" for digest in script_hashes)])
    policy = (
        "default-src 'none'",
        f"script-src {scripts}",
        "style-src 'self'",
        f"connect-src 'self' ws://{host}",  # Safari before 15.4 does not count a websocket as 'self'
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
    return {
        "Content-Security-Policy": "; ".join(policy),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def exposure(judge: Guard) -> tuple[str, str]:
    """Return the two lines that say what listening where others can reach it exposes."""
    where = "every address of this machine" if _is_everywhere(judge.host) else judge.host
    return (
        f"the page is on {where}, port {judge.port}, unencrypted: whoever can reach it and has the address printed, or "
        "reads that on the network, can fly and look at every recorded run",
        "they can choose among the controllers named on this command line, teacher, none and random, and no other file "
        "or server; for one person elsewhere leave --host out and use ssh -L",
    )


def _is_everywhere(host: str) -> bool:
    address = _address(host)
    return address is not None and address.is_unspecified


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _split(host: str) -> tuple[str, int]:
    """Split a ``Host`` header into its name and its port, -1 for one that is none."""
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host, _HTTP_PORT
    return name, int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else -1
