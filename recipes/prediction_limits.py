"""Where does prediction end? Latency curves with what no forward model foresees, and with answers of a single tick.

The teacher flies both tasks in simulated time, shown what will be. Upper row: it is pushed at random, at a constant
latency, answering with plans; a push is seen only when the answers that follow it land. Lower row: nothing pushes,
but the latency is a slow API's with its tail, and the answers are plans or single actions, of which a late one leaves a
hole that the late rule fills. The last line is a JSON object with every point; the picture goes to ``docs/images``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import tyro
from matplotlib.figure import Figure

from ontick.controllers.catalog import Asking
from ontick.controllers.prediction import Predict
from ontick.evaluation.episodes import ClockName, Setup, prepare
from ontick.late import LateRule
from ontick.learning.noise import Noise
from ontick.report.plots import GRID, INK

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "prediction_limits.png"

LATE = {"cartpole": LateRule.NOOP, "lunarlander": LateRule.HOLD}
DELAYS_MS = (0, 60, 120, 180, 240, 300)
MEDIANS_MS = (20, 60, 100, 150, 200)
SIGMA = 0.25
CHUNK, PIPELINED = 40, 32


class Line(NamedTuple):
    """One curve: how it is flown, and what it is called."""

    label: str
    colour: str
    style: str = "-"
    noise: str = "none"
    late: LateRule | None = None
    """None: the one that suits the task."""
    chunk: int = CHUNK
    in_flight: int = 1
    predict: Predict = Predict.TARGET


UNFORESEEN = (
    Line("never pushed", "#0b6e99"),
    Line("pushed once in two seconds", "#e09f3e", noise="pushes:0.01"),
    Line("pushed once in half a second", "#d1495b", noise="pushes:0.04"),
    Line("never pushed, no prediction", "#6b7885", "--", predict=Predict.OFF),
)
JITTERY = (
    Line(f"plans of {CHUNK} ticks", "#0b6e99"),
    Line("single actions, hold", "#e09f3e", late=LateRule.HOLD, chunk=1, in_flight=PIPELINED),
    Line("single actions, no-op", "#d1495b", late=LateRule.NOOP, chunk=1, in_flight=PIPELINED),
)


def curve(task: str, line: Line, latencies: Sequence[str], episodes: int) -> list[float]:
    """Return the share of successes at each latency."""
    setup = Setup(
        task,
        "teacher",
        episodes,
        clock=ClockName.VIRTUAL,
        late=line.late or LATE[task],
        in_flight=line.in_flight,
        predict=line.predict,
        asking=Asking(chunk=line.chunk),
    )
    shares: list[float] = []
    for latency in latencies:
        ready = prepare(replace(setup, latency=latency))
        ready = replace(ready, env=Noise.parse(line.noise).make(ready.task))
        controller = ready.dressed()
        flown = [ready.fly(controller, seed).episode for seed in setup.seeds]
        shares.append(sum(map(ready.task.succeeded, flown)) / episodes)
    return shares


def panels(episodes: int) -> Iterator[dict[str, Any]]:
    """Yield each panel of the picture once it is flown."""
    for lines, said, values, words in (
        (UNFORESEEN, "latency, ms", DELAYS_MS, [str(ms) for ms in DELAYS_MS]),
        (
            JITTERY,
            f"median latency, ms (lognormal, sigma {SIGMA})",
            MEDIANS_MS,
            [f"lognormal:{ms},{SIGMA}" for ms in MEDIANS_MS],
        ),
    ):
        for task in LATE:
            yield {
                "task": task,
                "latency": said,
                "ms": list(values),
                "lines": {line.label: curve(task, line, words, episodes) for line in lines},
            }


def draw(drawn: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw the four panels."""
    figure: Any = Figure(figsize=(11.2, 7.4), dpi=150, layout="constrained")
    axes: Any = figure.subplots(2, 2)
    for axis, panel in zip(axes.flat, drawn, strict=True):
        for line in (*UNFORESEEN, *JITTERY):
            if line.label in panel["lines"]:
                shares = [100 * share for share in panel["lines"][line.label]]
                axis.plot(
                    panel["ms"], shares, line.style, color=line.colour, marker="o", ms=4, lw=1.8, label=line.label
                )
        axis.set_title(panel["task"], color=INK, fontsize=11, loc="left")
        axis.set_xlabel(panel["latency"], color=INK)
        axis.set_ylim(-4, 104)
        axis.grid(color=GRID, lw=0.6)
        axis.tick_params(colors=INK, labelsize=9)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    for left, right in axes:
        left.set_ylabel("success, % of episodes", color=INK)
        right.legend(frameon=False, fontsize=9, loc="center right", labelcolor=INK)
    figure.savefig(path)


def main(episodes: int = 50, picture: Path = PICTURE) -> None:
    """Fly all curves and draw them.

    Args:
        episodes: at each point, from seed 0 on.
        picture: where it is saved.
    """
    drawn = list(panels(episodes))
    draw(drawn, picture)
    print(json.dumps({"recipe": "prediction_limits", "episodes": episodes, "panels": drawn}))


if __name__ == "__main__":
    tyro.cli(main)
