"""How is a row's command given? As a process of its own, which ends with this one, and has its share of the cores."""

from __future__ import annotations

import json
import os
import queue
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from ontick.errors import OntickError
from ontick.provenance import cores
from ontick.records import Json
from ontick.reproduction.row import Row

RUNS = ("eval", "verdict", "cliff", "compare", "probe")
"""Verbs that record what they do; a row's records lie in its own folder."""

PROGRESS = "progress.txt"
"""In a row's folder: what its commands said on their way, where several speak at once."""

_INTERRUPTED = (128 + signal.SIGINT, -signal.SIGINT)
"""How a command ends that Ctrl-C stopped."""


def in_full(words: Sequence[str], name: str) -> list[str]:
    """Return a command of the row ``name`` as it is given: with JSON, and with its runs in the row's folder."""
    recorded = ["--runs", f"{name}/runs"] if words[0] in RUNS else []
    return [*words, *recorded, "--json"]


class Commands:
    """Gives the commands of ``jobs`` rows at once, in a recipe's ``folder``."""

    def __init__(self, folder: Path, jobs: int = 1) -> None:
        self.folder, self._jobs = folder, jobs
        self._running = set[subprocess.Popen[str]]()
        self._stopping = False
        self._shares = queue.SimpleQueue[frozenset[int]]()
        usable = cores()
        for number in range(jobs):
            self._shares.put(frozenset(usable[number % len(usable) :: jobs]))

    def give(self, words: Sequence[str], row: Row) -> Json:
        """Give one command and return the object that it prints.

        Its progress is seen on stderr; where several are given at once, it is in the row's folder.

        Raises:
            OntickError: it failed, or printed something else.
            KeyboardInterrupt: all is being stopped, here or in another row's command.
        """
        if self._stopping:
            raise KeyboardInterrupt
        command = [sys.executable, "-m", "ontick", *in_full(words, row.name)]
        with ExitStack() as put_back:
            told = None
            if self._jobs > 1:
                told = put_back.enter_context((self.folder / row.name / PROGRESS).open("a"))
            process = put_back.enter_context(
                subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=told, text=True)
            )
            self._running.add(process)
            put_back.callback(self._running.discard, process)
            if self._jobs > 1 and not row.in_real_time:
                share = self._shares.get()
                put_back.callback(self._shares.put, share)
                _confine(process, share)
            try:
                out, _ = process.communicate()
            except KeyboardInterrupt:
                process.wait()  # it has had the same Ctrl-C, and puts its things in order
                raise
        if self._stopping or process.returncode in _INTERRUPTED:
            raise KeyboardInterrupt
        if process.returncode:
            why = "" if told is None else f"; it says why in {row.name}/{PROGRESS}"
            raise OntickError(f"ontick {shlex.join(words)} ended with status {process.returncode}{why}")
        try:
            said = json.loads(out)
        except ValueError as error:
            raise OntickError(f"ontick {shlex.join(words)} printed no JSON object") from error
        return said

    @contextmanager
    def ending_with_us(self) -> Generator[None]:
        """Pass on what ends this process alone, while open: left behind, they would go on in their rows' folders."""

        def pass_on(number: int, frame: FrameType | None) -> None:
            self._stopping = True
            running = list(self._running)
            for process in running:
                process.send_signal(number)
            for process in running:
                process.wait()
            raise SystemExit(128 + number)

        def interrupt(number: int, frame: FrameType | None) -> None:
            self._stopping = True  # they have had the same Ctrl-C; no row begins another command
            signal.default_int_handler(number, frame)

        handlers = {signal.SIGTERM: pass_on, signal.SIGHUP: pass_on}
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            handlers[signal.SIGINT] = interrupt
        before = {one: signal.signal(one, handler) for one, handler in handlers.items()}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def _confine(process: subprocess.Popen[str], share: frozenset[int]) -> None:
    """Leave a process that has only just begun some of the cores; how many threads it takes follows from that."""
    if sys.platform == "linux":
        try:
            os.sched_setaffinity(process.pid, share)
        except OSError:  # it has ended, or this may not be done here: it is only slower
            return
