"""How do frames become a film's file? MP4 that plays everywhere, or a GIF that loops."""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ontick.cache import made_whole
from ontick.errors import OntickError
from ontick.records import Json
from ontick.report.films.forms import FilmFormat, durations_cs, find_ffmpeg

_SAMPLED = 24
"""Frames from which a GIF's colours are chosen."""
_COLOURS = 255
"""A GIF's, of 256; the last means "as it was"."""
_FAR_APART = 128
"""So many of them are chosen to be unlike each other, so that small things keep their colours; the rest by area."""

_BT709 = "range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"

FrameTold = Callable[[], None]
"""Called once each frame is written."""


def write_film(
    path: Path,
    form: FilmFormat,
    frame: Callable[[int], Image.Image],
    shown: Sequence[int],
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


def _write_mp4(
    path: Path, frame: Callable[[int], Image.Image], shown: Sequence[int], frame_s: Fraction, told: FrameTold
) -> None:
    """Hand the frames to ffmpeg one by one: 4:2:0 and tagged BT.709, its index first, so that any player shows it."""
    width, height = frame(shown[0]).size
    rate = 1 / frame_s
    command = [
        *(find_ffmpeg(), "-y", "-loglevel", "error"),
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
            with suppress(BrokenPipeError):
                ffmpeg.stdin.close()
        if ended:
            said.seek(0)
            last = said.read().decode(errors="replace").strip().splitlines()[-1:] or ["it ended early"]
            raise OSError(f"ffmpeg: {last[0]}")


def _write_gif(
    path: Path, frame: Callable[[int], Image.Image], shown: Sequence[int], frame_s: Fraction, told: FrameTold
) -> None:
    """Write a GIF that loops. One table of colours for all frames, so that only what changes need be told."""
    table = _colour_table([frame(tick) for tick in (*shown[:: max(1, len(shown) // _SAMPLED)], shown[-1])])

    def reduced() -> Iterator[Image.Image]:
        for tick in shown:
            yield frame(tick).quantize(palette=table, dither=Image.Dither.NONE)
            told()

    frames = reduced()
    first = next(frames)
    durations_ms = [10 * duration for duration in durations_cs(len(shown), frame_s)]
    options: Json = {"duration": durations_ms, "optimize": True, "disposal": 1}
    first.save(path, format="GIF", save_all=True, append_images=frames, loop=0, **options)


def _colour_table(samples: Sequence[Image.Image]) -> Image.Image:
    """Return an image with the colours that frames are told in."""
    counts: Counter[Any] = Counter()
    for sample in samples:
        for count, colour in sample.getcolors(sample.width * sample.height) or []:
            counts[colour] += count
    every = _swatch(list(counts)).quantize(_FAR_APART, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    by_area = [colour for colour, count in counts.items() for _ in range(math.ceil(math.sqrt(count)))]
    rest = _COLOURS - _FAR_APART
    common = _swatch(by_area).quantize(rest, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    table = Image.new("P", (1, 1))
    table.putpalette([*(every.getpalette() or [])[: 3 * _FAR_APART], *(common.getpalette() or [])[: 3 * rest]])
    return table


def _swatch(colours: Sequence[Any]) -> Image.Image:
    return Image.fromarray(np.array([colours], dtype=np.uint8))
