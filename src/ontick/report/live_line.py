"""How does a flight look in a terminal while it is flown? One line, painted from the newest tick, whenever it is asked.

The loop calls the line with every tick, which only keeps what is to be said; another thread paints it.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.style import Style
from rich.text import Text

from ontick.late import Source
from ontick.records import Tick
from ontick.report.films.looks import LOOKS, LookName
from ontick.report.readings import SOURCE_WORDS, Meter, Reading, in_words
from ontick.tasks.base import Task

_LOOK = LOOKS[LookName.DARK]
_BAR_CELLS = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"


class LiveLine:
    """An observer of flights, one after another, that can be printed at any time from any thread."""

    def __init__(self, task: Task, seeds: Iterable[int]) -> None:
        """``seeds`` are those of the flights to be seen, in order."""
        self._task = task
        self._seeds = iter(seeds)
        self._seed: int | None = None
        self._meter = Meter()
        self._newest: tuple[int | None, Reading] | None = None
        self._action_cells = max(map(cell_len, (*task.actions, task.noop_name)))

    def __call__(self, tick: Tick) -> None:
        """See a tick; the first of a flight begins with the next seed."""
        if tick.tick == 0:
            self._meter = Meter()
            self._seed = next(self._seeds, None)
        self._newest = self._seed, self._meter.read(tick)  # replaced as one: whoever paints sees a whole tick

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the line, cut to the terminal's width; nothing before the first tick."""
        newest = self._newest
        if newest is not None:
            plain = options.ascii_only
            wide, narrow = (self._line(*newest, plain=plain, narrow=narrow) for narrow in (False, True))
            line = wide if wide.cell_len <= options.max_width else narrow
            line.truncate(options.max_width, overflow="crop" if plain else "ellipsis")
            yield line

    def _line(self, seed: int | None, reading: Reading, *, plain: bool, narrow: bool) -> Text:
        """Return the whole line; a narrow one spares blanks, and of the sources' names tells the first letters."""
        words = in_words(reading, self._task)
        apart = " " if narrow else "  "
        line = Text(no_wrap=True, end="")
        if seed is not None:
            line.append(f"seed {seed}{apart}", "bold")
        line.append(f"tick {words.tick:>3}{apart}{words.time:>7}{apart}")
        line.append(f"{words.source:<7}", _style(reading.source, bold=True))
        line.append(f" {words.action:<{self._action_cells}}{apart}")
        line.append_text(self._bar(reading.decision_ms, _BAR_CELLS // 2 if narrow else _BAR_CELLS, plain=plain))
        line.append(f" {words.decision:>6}{apart}" + (f"{words.reward:>6}" if narrow else f"reward {words.reward:>6}"))
        for source, count in zip(Source, reading.counts, strict=True):
            if count:
                name = SOURCE_WORDS[source]
                said = (
                    f"{name[0].upper()}{reading.share(source):.0%}" if narrow else f"{name} {reading.share(source):.0%}"
                )
                line.append(f"{apart}{said}", _style(source))
        return line

    def _bar(self, decision_ms: float | None, cells: int, *, plain: bool) -> Text:
        """Return the last decision's latency, the whole bar being a tick."""
        share = 0.0 if decision_ms is None else decision_ms / self._task.tick_ms
        eighths = round(8 * cells * min(1.0, share))
        if plain:
            filled = "#" * round(eighths / 8)
        else:
            filled = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
        ends = "||" if plain else "▕▏"
        bar = Text(ends[0], "dim")
        bar.append(f"{filled:<{cells}}", _colour(_LOOK.good if share <= 1 else _LOOK.bad))
        return bar.append(ends[1], "dim")


def _style(source: Source, *, bold: bool = False) -> Style:
    return _colour(_LOOK.sources[source]) + Style(bold=bold)


def _colour(colour: tuple[int, int, int]) -> Style:
    return Style(color="#{:02x}{:02x}{:02x}".format(*colour))
