"""The command line: which verbs there are, and what a mistake looks like."""

from __future__ import annotations

import io
import os
import sys
import typing
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from typing import Annotated, Any, Protocol

import tyro
from tyro.conf import EnumChoicesFromValues, FlagCreatePairsOff, subcommand

from ontick import __version__
from ontick.cli.asking import Latency, Models, Probe, Prompt
from ontick.cli.averaging import Average
from ontick.cli.chatting import Chat
from ontick.cli.dagger import Dagger
from ontick.cli.data import Collect, Data, Export, Import
from ontick.cli.flying import Cliff, Compare, Demo, Eval, Verdict
from ontick.cli.options import INTERRUPTED
from ontick.cli.pilots import Pilots, Push
from ontick.cli.reporting import Report
from ontick.cli.reproducing import Reproduce
from ontick.cli.training import Train
from ontick.cli.watching import Watch
from ontick.errors import OntickError, blame
from ontick.report.terminal import say, say_error, say_what_takes_long, without_box

BAD_INPUT = 2


class Verb(Protocol):
    """A verb: its fields are its options."""

    def run(self) -> int:
        """Do it and return the exit status."""
        ...


VERBS: tuple[type[Verb], ...] = (
    Demo,
    Eval,
    Verdict,
    Cliff,
    Compare,
    Latency,
    Probe,
    Report,
    Prompt,
    Models,
    Collect,
    Data,
    Export,
    Import,
    Train,
    Dagger,
    Average,
    Pilots,
    Push,
    Watch,
    Chat,
    Reproduce,
)

_typing: Any = typing
_COMMAND = _typing.Union[tuple(Annotated[verb, subcommand(verb.__name__.lower())] for verb in VERBS)]

DESCRIPTION = "Can this language model control this environment in real time? If not: the policy or the latency?"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; return its exit status: 0, 2 for a mistake in what was asked, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"]:
        say(f"ontick {__version__}")
        return 0
    say_what_takes_long()
    try:
        return parse(arguments).run()
    except OntickError as error:
        if os.environ.get("ONTICK_DEBUG"):
            raise
        say_error(str(error))
        return BAD_INPUT
    except KeyboardInterrupt as stop:
        say_error(f"stopped; {stop}" if str(stop) else "stopped")
        return INTERRUPTED
    except BrokenPipeError:  # whoever read stdout has gone; nothing more can be said there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("ONTICK_DEBUG"):
            raise
        say_error(blame(error))
        return BAD_INPUT


def parse(arguments: Sequence[str]) -> Verb:
    """Return the verb that a command line asks for; a mistake in it becomes an `OntickError` instead of tyro's box."""
    command: Callable[..., Verb] = tyro.cli
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return command(
                _COMMAND,
                args=arguments,
                prog="ontick",
                description=DESCRIPTION,
                config=(FlagCreatePairsOff, EnumChoicesFromValues),
            )
    except SystemExit as exit_:
        if exit_.code in (None, 0):
            raise
        raise OntickError(f"{without_box(box.getvalue())}; see: ontick {_verb(arguments)}--help") from None


def _verb(arguments: Sequence[str]) -> str:
    names = {verb.__name__.lower() for verb in VERBS}
    return f"{arguments[0]} " if arguments and arguments[0] in names else ""
