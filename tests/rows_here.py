"""Gives the commands of a reproduced row in the tests' own process, where everything is imported already."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Sequence

from ontick import cli
from ontick.records import Json
from ontick.reproduction.commands import Commands, in_full
from ontick.reproduction.row import Row


def give_here(commands: Commands, words: Sequence[str], row: Row) -> Json:
    """Do what `Commands.give` does in a process of its own."""
    printed = io.StringIO()
    with contextlib.chdir(commands.folder), contextlib.redirect_stdout(printed):
        assert cli.main(in_full(words, row.name)) == 0
    return json.loads(printed.getvalue())
