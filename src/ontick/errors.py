"""What can go wrong that a user can put right.

Every message is one line and ends with what to do next; the command line prints it and exits with 2.
"""

from __future__ import annotations

import difflib
import traceback
from collections.abc import Iterable
from pathlib import Path


class OntickError(Exception):
    """A mistake in what was asked, or something missing on this machine."""


def blame(error: BaseException) -> str:
    """Say what went wrong and where, in one line: for code that is not ours to mend."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {said}' if said else ''}{where}; mend it, ONTICK_DEBUG=1 shows the way there"


def unknown_name(kind: str, name: str, known: Iterable[str], otherwise: str = "") -> OntickError:
    """Return the error for a name that is not among the known ones: it lists those and the nearest of them."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    more = f", or {otherwise}" if otherwise else ""
    return OntickError(f"unknown {kind} {name!r}{meant}; choose one of: {', '.join(names)}{more}")


def missing_package(what: str, package: str) -> OntickError:
    """Return the error for an optional part that is not installed."""
    return OntickError(f"{what} is not installed; run: pip install {package}")
