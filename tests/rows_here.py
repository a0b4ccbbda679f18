"""Gives the commands of a reproduced row in the tests' own process, where everything is imported already."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

from ontick import cli
from ontick.records import Json
from ontick.reproduction.reproduce import RUNS


def give_here(words: Sequence[str], name: str, folder: Path) -> Json:
    """Do what `ontick.reproduction.reproduce` does in a process of its own."""
    recorded = ["--runs", f"{name}/runs"] if words[0] in RUNS else []
    printed = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
        assert cli.main([*words, *recorded, "--json"]) == 0
    return json.loads(printed.getvalue())
