"""How is a user's file read that holds a JSON object a line, and what is said of a line that is none?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ontick.errors import OntickError

Item = TypeVar("Item")


def read_lines(
    path: Path, read: Callable[[Any], Item], *, what: str, example: str, instead: str, empty: str
) -> tuple[Item, ...]:
    """Return what ``read`` makes of each line, in the file's order; empty lines are passed over.

    Args:
        path: the file.
        read: makes an item of a line's JSON; raises ValueError or TypeError, saying why it is none.
        what: what an item is called.
        example: a line that is one.
        instead: what to do where the file cannot be read.
        empty: what to do where it holds none.

    Raises:
        OntickError: there is no such file, it holds no item, or one of its lines is none.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise OntickError(f"cannot read {path} ({why}); {instead}") from error
    items: list[Item] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            items.append(read(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise OntickError(f"line {number} of {path} is no {what} ({error}); write one a line: {example}") from error
    if not items:
        raise OntickError(f"{path} holds no {what}; {empty}")
    return tuple(items)
