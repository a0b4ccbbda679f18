"""Which examples may a language model be shown first? Read from files that lie beside the tasks.

A file holds one JSON object a line: ``{"state": [...], "action": 1}``. The shipped ones are made by
``recipes/examples.py`` and named after their task.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ontick.errors import OntickError
from ontick.tasks.base import Example


def shipped_examples(task: str) -> tuple[Example, ...]:
    """Return the examples that ship for the task called ``task``."""
    return read_examples(Path(__file__).with_name(f"{task}.jsonl"))


def read_examples(path: Path) -> tuple[Example, ...]:
    """Read a file of examples, in its order.

    Raises:
        OntickError: there is no such file, or a line of it is no example.
    """
    try:
        lines: list[dict[str, Any]] = [json.loads(line) for line in path.read_text().splitlines()]
        return tuple(Example(tuple(map(float, line["state"])), int(line["action"])) for line in lines)
    except OSError as error:
        raise OntickError(f"cannot read {path} ({error.strerror}); give a file of examples") from error
    except (KeyError, TypeError, ValueError) as error:
        raise OntickError(
            f'{path} is no file of examples ({error}); write one a line: {{"state": [0.1, 0.0], "action": 1}}'
        ) from error


def write_examples(path: Path, examples: tuple[Example, ...]) -> None:
    """Write a file that `read_examples` reads."""
    path.write_text("".join(f"{json.dumps(example._asdict())}\n" for example in examples))
