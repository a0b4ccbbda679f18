"""What can a film be written as, and which ticks does it show for how long?

Either form is in real time at the task's own rate. MP4 shows up to 60 frames a second. A GIF counts hundredths of a
second, and browsers slow down what is quicker than two of them, so it shows 25 frames a second: half the size of 50.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any, NamedTuple

from ontick.errors import OntickError, missing_package

FILMS = "video"
"""Where in a run's folder its films are."""


class FilmFormat(StrEnum):
    """What a film is written as."""

    MP4 = "mp4"
    """H.264, by ffmpeg."""
    GIF = "gif"
    """For a page or a chat that plays no video; coarser in time."""


_MOST_FRAMES_S = {FilmFormat.MP4: 60, FilmFormat.GIF: 25}


def check_format(form: FilmFormat) -> None:
    """See to it that films can be written, before anything is flown for them.

    Raises:
        OntickError: what writes MP4 is not installed.
    """
    if form is FilmFormat.MP4:
        find_ffmpeg()


def find_ffmpeg() -> str:
    """Return the program that writes MP4.

    Raises:
        OntickError: it is not installed.
    """
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise missing_package("what writes MP4", "'ontick[video]'")
    package: Any = importlib.import_module("imageio_ffmpeg")
    try:
        return package.get_ffmpeg_exe()
    except RuntimeError as error:  # there is none for this machine in the package, and none on the path
        raise OntickError("imageio-ffmpeg has no ffmpeg for this machine; install ffmpeg, or write a gif") from error


class Pace(NamedTuple):
    """Which ticks a film shows, and for how long."""

    stride: int
    """Every so many ticks there is a frame."""
    frame_s: Fraction
    """In seconds: exactly ``stride`` ticks."""

    @classmethod
    def of(cls, tick_s: float, form: FilmFormat) -> Pace:
        """Return a film's pace in real time."""
        tick = Fraction(tick_s).limit_denominator(1_000_000)
        stride = max(1, math.ceil(1 / (tick * _MOST_FRAMES_S[form])))
        return cls(stride, tick * stride)

    def ticks(self, ticks: int, end_s: float) -> list[int]:
        """Return the tick that each frame shows; the frames of the last ``end_s`` seconds show ``ticks``, the end."""
        return [*range(0, ticks, self.stride), *[ticks] * max(1, math.ceil(end_s / self.frame_s))]


def durations_cs(frames: int, frame_s: Fraction) -> list[int]:
    """Return how long each frame is shown, in whole hundredths of a second, so that no error adds up."""
    ends = [round(number * frame_s * 100) for number in range(frames + 1)]
    return [end - begin for begin, end in pairwise(ends)]
