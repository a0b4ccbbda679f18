"""Gives the commands of a reproduced row in the tests' own process, where everything is imported already."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

from ontick import cli
from ontick.records import Json
from ontick.reproduction.reproduce import in_full


def give_here(words: Sequence[str], name: str, folder: Path) -> Json:
    """Do what `ontick.reproduction.reproduce` does in a process of its own."""
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        assert cli.main(in_full(words, name)) == 0
    return json.loads(printed.getvalue())
