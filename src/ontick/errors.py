"""What can go wrong that a user can put right.

Every message is one line and ends with what to do next; the command line prints it and exits with 2.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class OntickError(Exception):
    """A mistake in what was asked, or something missing on this machine."""


class UnknownNameError(OntickError):
    """A name that is not among the known ones; the message lists those and the nearest of them."""

    def __init__(self, kind: str, name: str, known: Iterable[str], otherwise: str = "") -> None:
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1)
        meant = f" (did you mean {near[0]!r}?)" if near else ""
        more = f", or {otherwise}" if otherwise else ""
        super().__init__(f"unknown {kind} {name!r}{meant}; choose one of: {', '.join(names)}{more}")


class MissingExtraError(OntickError):
    """An optional part is not installed."""

    def __init__(self, what: str, install: str) -> None:
        super().__init__(f"{what} is not installed; run: pip install {install}")
