"""What does a film of flights show at one moment? Each flight's picture, what is to be said of it, and its past.

Flights stand side by side, each under its title, at the same tick. Below a picture are the tick's action and where it
came from, what the controller took, and a line of all ticks so far in the colours of their sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ontick.late import Source
from ontick.records import INTERRUPTED, Flight
from ontick.report.films.looks import Colour, Look
from ontick.report.films.painting import FINER, Painter, font
from ontick.report.readings import SOURCE_WORDS, ending_in_words, in_words, readings
from ontick.tasks.base import Task

_GAP_PX = 12
_TALLEST, _FLATTEST = 1.0, 0.3
"""Heights of a picture as shares of its width: one of another shape is given sky around it."""
_VEIL = 225
"""How much of the picture is hidden behind the words on it, of 255."""
_LIGHT = 140
"""From which brightness on, of 255, dark letters are read better than white ones."""
_BLACK: Colour = (8, 14, 18)
_WHITE: Colour = (255, 255, 255)


class Pane(NamedTuple):
    """One flight of a film."""

    task: Task
    flight: Flight
    title: str = ""
    note: str = ""
    """Beside the title, at the right."""


class Frames:
    """Every moment of a film of flights of the same rate, to be asked for in any order."""

    def __init__(self, panes: Sequence[Pane], width: int, look: Look) -> None:
        """``width`` is that of one flight's picture, in pixels."""
        self.ticks = max(len(pane.flight.ticks) for pane in panes)
        titled = any(pane.title for pane in panes)
        width += width % 2
        self._painted = [_PaintedPane(pane, width, titled, self.ticks, look) for pane in panes]
        self._step = width + _GAP_PX
        height = max(pane.height for pane in self._painted)
        self.size = (len(panes) * self._step - _GAP_PX, height + height % 2)
        self._page = look.page

    def at(self, tick: int) -> Image.Image:
        """Return the frame at a tick; from `ticks` on every flight has ended and says how."""
        frame = Image.new("RGB", self.size, self._page)
        for number, pane in enumerate(self._painted):
            frame.paste(pane.at(tick), (number * self._step, 0))
        return frame


class _PaintedPane:
    """One flight's part of every frame."""

    def __init__(self, pane: Pane, width: int, titled: bool, ticks: int, look: Look) -> None:
        task, flight, *_ = pane
        self._pane, self._look, self._width = pane, look, width
        self._readings = list(readings(flight))
        self._letters_px = min(22, max(12, round(width * 0.026)))
        self._margin = round(self._letters_px * 0.9)
        picture = task.picture(flight.episode.scenery)
        left, bottom, right, top = picture.view
        scene_height = round(width * min(_TALLEST, max(_FLATTEST, (top - bottom) / (right - left))))
        self._painter = Painter(picture, width, scene_height, look)
        self._scene_top = round(self._letters_px * 2.6) if titled else 0
        self._panel_top = self._scene_top + scene_height
        self.height = self._panel_top + round(self._letters_px * 5.8)
        self._past = self._paint_past(ticks)
        self._chips = self._paint_chips()

    def at(self, tick: int) -> Image.Image:
        """Return it at a tick."""
        ticks = self._pane.flight.ticks
        return self._ended.copy() if tick >= len(ticks) else self._paint(tick)

    def _paint(self, tick: int) -> Image.Image:
        """Return it in flight."""
        task, flight, title, note = self._pane
        image = Image.new("RGB", (self._width, self.height), self._look.page)
        flown = flight.ticks[tick]
        scene = self._painter.paint(task.poses(flown.observation, flown.action))
        image.paste(scene, (0, self._scene_top))
        draw = ImageDraw.Draw(image)
        if self._scene_top:
            self._write_title(draw, title, note)
        self._write_panel(image, draw, tick)
        past = round((tick + 1) / self._past_ticks * self._past.width)
        image.paste(self._past.crop((0, 0, past, self._past.height)), (self._margin, self._past_top))
        return image

    @cached_property
    def _ended(self) -> Image.Image:
        """It once the flight has ended: the last state, and over it how it ended."""
        task, flight, *_ = self._pane
        image = self._paint(len(flight.ticks) - 1)
        final = flight.episode.final_observation
        if len(final) == len(task.features):
            scene = self._painter.paint(task.poses(np.array(final), None))
            image.paste(scene, (0, self._scene_top))
        words = ending_in_words(flight, task)
        look, size = self._look, round(self._letters_px * 2.2)
        good = look.good if task.succeeded(flight.episode) else look.bad
        colour = look.muted if flight.episode.outcome == INTERRUPTED else good
        middle = (self._width / 2, self._scene_top + (self._panel_top - self._scene_top) * 0.32)
        text = _fitted(words, size, self._width - 4 * self._margin, bold=True)
        wide = round(font(size, bold=True).getlength(text) + size * 1.4)
        veil = _rounded(wide, round(size * 1.9), size * 0.35, _VEIL)
        image.paste(look.page, (round(middle[0] - veil.width / 2), round(middle[1] - veil.height / 2)), veil)
        draw = ImageDraw.Draw(image)
        draw.text(middle, text, fill=colour, font=font(size, bold=True), anchor="mm")
        return image

    def _write_title(self, draw: ImageDraw.ImageDraw, title: str, note: str) -> None:
        noted = font(self._letters_px).getlength(note)
        room = self._width - 2 * self._margin - noted - self._letters_px
        fitted = _fitted(title, self._letters_px, room, bold=True)
        middle = self._scene_top / 2
        self._write(draw, (self._margin, middle), fitted, self._look.text, bold=True)
        self._write(draw, (self._width - self._margin - noted, middle), note, self._look.muted)

    def _write_panel(self, image: Image.Image, draw: ImageDraw.ImageDraw, tick: int) -> None:
        reading = self._readings[tick]
        words = in_words(reading, self._pane.task)
        look, letters, inner = self._look, self._letters_px, self._width - 2 * self._margin
        first, second = (self._panel_top + letters * line for line in (1.55, 3.3))
        chip = self._chips[reading.source]
        image.paste(chip, (self._margin, round(first - chip.height / 2)))
        reward = self._write_pair(draw, (self._width - self._margin, first), "reward", words.reward, right=True)
        room = inner - chip.width - reward - 2 * letters
        action = _fitted(words.action, letters, room, bold=True)
        self._write(draw, (self._margin + chip.width + letters * 0.7, first), action, look.text, bold=True)
        for share, name, value in (
            (0.0, "tick", words.tick),
            (0.19, "", words.time),
            (0.35, "decision", words.decision),
        ):
            self._write_pair(draw, (self._margin + share * inner, second), name, value)
        self._write_pair(draw, (self._width - self._margin, second), "age", words.age, right=True)
        bottom = self._past_top + self._past.height - 1
        draw.rectangle((self._margin, self._past_top, self._margin + inner - 1, bottom), fill=look.raised)

    def _paint_chips(self) -> dict[Source, Image.Image]:
        """Return the name of each source on its colour."""
        lettering = font(self._letters_px, bold=True)
        wide = round(max(map(lettering.getlength, SOURCE_WORDS.values())) + self._letters_px * 1.1)
        high = round(self._letters_px * 1.6)
        chips: dict[Source, Image.Image] = {}
        for source, colour in self._look.sources.items():
            chip = Image.new("RGB", (wide, high), self._look.page)
            chip.paste(colour, mask=_rounded(wide, high, self._letters_px * 0.35))
            on_it = _BLACK if _brightness(colour) >= _LIGHT else _WHITE
            middle = wide / 2, high / 2
            ImageDraw.Draw(chip).text(middle, SOURCE_WORDS[source], fill=on_it, font=lettering, anchor="mm")
            chips[source] = chip
        return chips

    @property
    def _past_top(self) -> int:
        return self._panel_top + round(self._letters_px * 4.55)

    def _paint_past(self, ticks: int) -> Image.Image:
        """Return the line of all ticks, in the colours of their sources; ``ticks`` fit on its whole length."""
        self._past_ticks = len(self._readings)
        length = round((self._width - 2 * self._margin) * self._past_ticks / ticks)
        colours = np.array([[self._look.sources[reading.source] for reading in self._readings]], dtype=np.uint8)
        size = (max(1, length), max(3, round(self._letters_px * 0.45)))
        return Image.fromarray(colours).resize(size, Image.Resampling.BOX)

    def _write_pair(
        self, draw: ImageDraw.ImageDraw, at: tuple[float, float], name: str, value: str, *, right: bool = False
    ) -> float:
        """Write what a value is and the value; return how long that is."""
        lettering = font(self._letters_px)
        name = f"{name} " if name else ""
        long = lettering.getlength(name + value)
        x = at[0] - long if right else at[0]
        self._write(draw, (x, at[1]), name, self._look.muted)
        self._write(draw, (x + lettering.getlength(name), at[1]), value, self._look.text)
        return long

    def _write(
        self,
        draw: ImageDraw.ImageDraw,
        at: tuple[float, float],
        text: str,
        colour: Colour,
        *,
        bold: bool = False,
    ) -> None:
        """Write from ``at`` on, which is on the line's middle, no further than the margin."""
        fitted = _fitted(text, self._letters_px, self._width - self._margin - at[0] + 1, bold=bold)
        draw.text(at, fitted, fill=colour, font=font(self._letters_px, bold=bold), anchor="lm")


def _rounded(width: int, height: int, radius: float, shade: int = 255) -> Image.Image:
    """Return a mask of a rectangle with round corners."""
    fine = Image.new("L", (width * FINER, height * FINER), 0)
    corner = (0, 0, fine.width - 1, fine.height - 1)
    ImageDraw.Draw(fine).rounded_rectangle(corner, radius=radius * FINER, fill=shade)
    return fine.reduce(FINER)


def _fitted(text: str, letters_px: int, room_px: float, *, bold: bool) -> str:
    """Return as much of ``text`` as there is room for."""
    lettering = font(letters_px, bold=bold)
    if lettering.getlength(text) <= room_px:
        return text
    while text and lettering.getlength(f"{text}…") > room_px:
        text = text[:-1]
    return f"{text}…"


def _brightness(colour: Colour) -> float:
    """Return how bright a colour looks, of 255 (ITU-R BT.601)."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue
