"""Is this a GGUF file? What can be told of one without anything that runs it."""

from __future__ import annotations

from pathlib import Path

_MAGIC = b"GGUF"


def is_gguf(path: Path) -> bool:
    """Say whether a file begins as GGUF files do.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC
