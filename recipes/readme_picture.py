"""The README's picture: LunarLander, the same seed twice side by side, by the teacher at once and behind a slow API.

Both are flown in simulated time, recorded, and filmed from the records. The last line is a JSON object that says what
is on the picture; the picture goes to ``docs/images``.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro

from ontick.evaluation.demo import SLOW_API
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.report.films.forms import FilmFormat
from ontick.report.films.video import film

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "flights.gif"

SEED = 17
AT_ONCE = Setup("lunarlander", "teacher", episodes=1, seed=SEED, clock=ClockName.VIRTUAL)
FLOWN = {
    "teacher": AT_ONCE,
    "the same teacher behind a slow API": replace(AT_ONCE, delay=SLOW_API),
}
WIDTH_PX = 800
"""Twice what a page shows: for screens that are as fine."""
END_S = 2.5
"""For how long the ends are shown: long enough to read both."""


def main(to: Path = PICTURE) -> None:
    """Fly, film and say what came of it.

    Args:
        to: where the picture goes.
    """
    with TemporaryDirectory() as scratch:
        flown = {
            title: evaluate(prepare(setup), Path(scratch) / f"run-{number}")
            for number, (title, setup) in enumerate(FLOWN.items())
        }
        runs = [evaluation.run for evaluation in flown.values()]
        (made,) = film(runs, FilmFormat.GIF, titles=list(flown), width_px=WIDTH_PX, end_s=END_S)
        to.write_bytes(made.read_bytes())
    episodes = {title: evaluation.flights[0].episode for title, evaluation in flown.items()}
    said = {
        title: {"outcome": episode.outcome, "reward": round(episode.reward, 1), "steps": episode.steps}
        for title, episode in episodes.items()
    }
    print(json.dumps({"picture": str(to), "seed": SEED, "flights": said, "bytes": to.stat().st_size}))


if __name__ == "__main__":
    tyro.cli(main)
