"""What does someone type? Lines from whatever stands at stdin, or keys of a terminal while other things move."""

from __future__ import annotations

import codecs
import os
import termios
import tty
from collections.abc import Generator, Iterator
from contextlib import contextmanager

AT_ONCE = 4096
"""Bytes of one reading."""

ESCAPE = "\x1b"
_END = "\x04"
_ERASE = ("\x7f", "\x08")
_ERASE_LINE = "\x15"
_ERASE_WORD = "\x17"

LONGEST_LINE = 4000


def lines(descriptor: int) -> Iterator[str]:
    """Yield the lines that come in, without their ends; bytes that are no text are replaced.

    Nothing is buffered where a thread that waits here could keep the program from ending.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    begun = ""
    while data := os.read(descriptor, AT_ONCE):
        *whole, begun = (begun + decoder.decode(data)).split("\n")
        yield from (line.rstrip("\r") for line in whole)
    if begun:
        yield begun


@contextmanager
def keys_at_once(descriptor: int) -> Generator[None]:
    """Let a terminal pass keys on as they are pressed, without showing them; Ctrl-C stays what it is."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSANOW, before)


class TypedLine:
    """A line that is being typed."""

    def __init__(self) -> None:
        self.text = ""

    def take(self, keys: str) -> Iterator[str]:
        """Take keys in; yield each line that was finished, and `ESCAPE` where that key was pressed alone.

        Raises:
            EOFError: Ctrl-D was pressed on an empty line.
        """
        if keys.startswith(ESCAPE):
            if keys == ESCAPE:
                yield ESCAPE
            return  # an arrow or another key that means nothing here
        for key in keys:
            if key in "\r\n":
                line, self.text = self.text, ""
                yield line
            elif key == _END:
                if not self.text:
                    raise EOFError
            else:
                self._edit(key)

    def _edit(self, key: str) -> None:
        if key in _ERASE:
            self.text = self.text[:-1]
        elif key == _ERASE_LINE:
            self.text = ""
        elif key == _ERASE_WORD:
            head, blank, _ = self.text.rstrip().rpartition(" ")
            self.text = head + blank
        elif (key.isprintable() or key == "\t") and len(self.text) < LONGEST_LINE:
            self.text += " " if key == "\t" else key


def typed(descriptor: int, line: TypedLine) -> Iterator[str]:
    """Yield the lines that are typed, and `ESCAPE`; ends with Ctrl-D."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    try:
        while data := os.read(descriptor, AT_ONCE):
            yield from line.take(decoder.decode(data))
    except EOFError:
        return
