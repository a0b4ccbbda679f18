"""The verbs about pilots: pilots, push. Their fields are the options."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ontick.cli.options import Shown
from ontick.errors import missing_package
from ontick.pilots.find import HOME, find_pilot
from ontick.pilots.lineage import list_pilots
from ontick.report import pilot_tables
from ontick.report.terminal import progress_bar


@dataclass(frozen=True, kw_only=True)
class Pilots(Shown):
    """List the pilots in a folder: which came of which, what they learnt from, how well they fly, which is best."""

    folder: Positional[Annotated[Path, arg(metavar="DIR")]] = HOME
    """Where the pilots are."""

    def run(self) -> int:
        """Look and print."""
        result = list_pilots(self.folder.expanduser())
        self.show(result, pilot_tables.lineage_table(result), *pilot_tables.remarks(result))
        return 0


@dataclass(frozen=True, kw_only=True)
class Push(Shown):
    """Put a pilot on the Hugging Face hub: its own files, in one commit."""

    pilot: Positional[Annotated[str, arg(metavar="PILOT", help="A pilot's folder, or its name in pilots/.")]]
    to: Positional[Annotated[str, arg(metavar="ORG/NAME", help="What it is called there.")]]
    private: bool = False
    """Let nobody else see it."""

    def run(self) -> int:
        """Push and print."""
        folder = find_pilot(self.pilot)
        if any(importlib.util.find_spec(name) is None for name in ("huggingface_hub", "transformers")):
            raise missing_package("what pushes to Hugging Face", "'ontick[hf]'")
        from ontick.pilots.hub import push

        with progress_bar(f"push {folder.name} to {self.to}"):
            result = push(folder, self.to, private=self.private)
        self.show(result, pilot_tables.push_line(result))
        return 0
