"""How do frames become a film's file? MP4 that plays everywhere, or GIF within what its timing can say.

Either is in real time at the task's own rate. MP4 shows up to 60 frames a second. A GIF counts hundredths of a second,
and browsers slow down what is quicker than two of them, so it shows 25 frames a second: half the size of 50.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from ontick.cache import made_whole
from ontick.errors import OntickError, missing_package
from ontick.records import Json


class FilmFormat(StrEnum):
    """What a film is written as."""

    MP4 = "mp4"
    """H.264, by ffmpeg."""
    GIF = "gif"
    """For a page or a chat that plays no video; coarser in time, larger."""


_MOST_FRAMES_S = {FilmFormat.MP4: 60, FilmFormat.GIF: 25}

_SAMPLED = 24
"""Frames from which a GIF's colours are chosen."""
_COLOURS = 255
"""A GIF's, of 256; the last means "as it was"."""

_BT709 = "range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"

FrameTold = Callable[[], None]
"""Called once each frame is written."""


def check_format(form: FilmFormat) -> None:
    """See to it that films can be written, before anything is flown for them.

    Raises:
        OntickError: what writes MP4 is not installed.
    """
    if form is FilmFormat.MP4:
        _ffmpeg()


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


def write_film(
    path: Path,
    form: FilmFormat,
    frame: Callable[[int], Image.Image],
    shown: list[int],
    frame_s: Fraction,
    told: FrameTold = lambda: None,
) -> None:
    """Write a film, whole or not at all.

    Args:
        path: its file, which is written over.
        form: what it is written as.
        frame: returns the frame at a tick; all are as large, an even number of pixels either way.
        shown: the tick of every frame, in order.
        frame_s: how long each is shown.
        told: told of each frame.

    Raises:
        OntickError: it cannot be written, or what writes MP4 is missing.
    """
    write = {FilmFormat.MP4: _write_mp4, FilmFormat.GIF: _write_gif}[form]
    try:
        with made_whole(path) as partial:
            write(partial, frame, shown, frame_s, told)
    except OSError as error:
        raise OntickError(
            f"cannot write {path} ({error.strerror or error}); make room or choose another place"
        ) from error


def _ffmpeg() -> str:
    if importlib.util.find_spec("imageio_ffmpeg") is None:
        raise missing_package("what writes MP4", "'ontick[video]'")
    package: Any = importlib.import_module("imageio_ffmpeg")
    try:
        return package.get_ffmpeg_exe()
    except RuntimeError as error:  # there is none for this machine in the package, and none on the path
        raise OntickError("imageio-ffmpeg has no ffmpeg for this machine; install ffmpeg, or write a gif") from error


def _write_mp4(
    path: Path, frame: Callable[[int], Image.Image], shown: list[int], frame_s: Fraction, told: FrameTold
) -> None:
    """Hand the frames to ffmpeg one by one: 4:2:0 and tagged BT.709, its index first, so that any player shows it."""
    width, height = frame(shown[0]).size
    rate = 1 / frame_s
    command = [
        *(_ffmpeg(), "-y", "-loglevel", "error"),
        *("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}"),
        *("-framerate", f"{rate.numerator}/{rate.denominator}", "-i", "pipe:0"),
        *("-vf", f"scale=out_color_matrix=bt709:out_range=tv,setparams={_BT709}"),
        *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "18", "-preset", "medium", "-threads", "2"),
        *("-movflags", "+faststart", "-f", "mp4", str(path)),
    ]
    with tempfile.TemporaryFile() as said:
        ffmpeg = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said)
        assert ffmpeg.stdin is not None
        try:
            for tick in shown:
                ffmpeg.stdin.write(frame(tick).tobytes())
                told()
            ffmpeg.stdin.close()
            ended = ffmpeg.wait()
        except BrokenPipeError:
            ended = ffmpeg.wait() or 1
        finally:
            ffmpeg.kill()
            ffmpeg.wait()
        if ended:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-1:] or ["it ended early"]
            raise OSError(f"ffmpeg: {last[0]}")


def _write_gif(
    path: Path, frame: Callable[[int], Image.Image], shown: list[int], frame_s: Fraction, told: FrameTold
) -> None:
    """Write a GIF that loops. One table of colours for all frames, so that only what changes need be told."""
    table = _colour_table([frame(tick) for tick in shown[:: max(1, len(shown) // _SAMPLED)]] + [frame(shown[-1])])

    def reduced() -> Iterator[Image.Image]:
        for tick in shown:
            yield frame(tick).quantize(palette=table, dither=Image.Dither.NONE)
            told()

    frames = reduced()
    first = next(frames)
    options: Json = {"duration": _durations_ms(len(shown), frame_s), "optimize": True, "disposal": 1}
    first.save(path, format="GIF", save_all=True, append_images=frames, loop=0, **options)


def _durations_ms(frames: int, frame_s: Fraction) -> list[int]:
    """Return how long each frame is shown, in whole hundredths of a second, so that no error adds up."""
    ends = [round(number * frame_s * 100) for number in range(frames + 1)]
    return [10 * (end - begin) for begin, end in pairwise(ends)]


def _colour_table(samples: list[Image.Image]) -> Image.Image:
    """Return an image with the colours that frames are told in; small things count more than their area."""
    counts: Counter[Any] = Counter()
    for sample in samples:
        for count, colour in sample.getcolors(sample.width * sample.height) or []:
            counts[colour] += count
    pixels = [colour for colour, count in counts.items() for _ in range(math.ceil(math.sqrt(count)))]
    swatch = Image.fromarray(np.array([pixels], dtype=np.uint8))
    return swatch.quantize(_COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
