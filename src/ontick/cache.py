"""Where is kept what can be made again: measurements and prepared models?"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def cache_folder() -> Path:
    """Return the user's cache folder for this program (``$XDG_CACHE_HOME/ontick``); it may not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "ontick"


def cache_file(kind: str, suffix: str, *made_by: object) -> Path:
    """Return where something of a ``kind`` is kept that all of ``made_by``, as JSON, decides; it may not exist yet."""
    known_by = json.dumps(made_by)
    return cache_folder() / kind / f"{hashlib.sha256(known_by.encode()).hexdigest()[:24]}{suffix}"


def file_digest(path: Path, *made_by: str) -> str:
    """Return SHA-256 of which file this is (its place, size and time, not what it holds) and of what is made of it.

    Raises:
        OSError: there is no such file.
    """
    status = path.stat()
    known_by = " ".join((str(path.resolve()), str(status.st_size), str(status.st_mtime_ns), *made_by))
    return hashlib.sha256(known_by.encode()).hexdigest()


@contextmanager
def made_whole(path: Path) -> Generator[Path]:
    """Give a path to write to that becomes ``path`` at the end, or goes if writing fails: never half a file.

    Raises:
        OSError: the folder cannot be made or the file cannot be moved.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file for people and programs to read, whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with made_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n")
