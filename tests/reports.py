"""Runs for the tests of reports, made quickly, and reports as they are read."""

from __future__ import annotations

import base64
import gzip
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from ontick.evaluation.cliff import fly_curve
from ontick.evaluation.compare import Comparison, compare
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.points import CurveSetup
from ontick.evaluation.verdict import reach_verdict
from ontick.late import LateRule
from ontick.records import AnswerRecord, Flight, Json, RunWriter, Tick
from ontick.report.document.publish import publish

LATE = Setup("lunarlander", "teacher", episodes=6, clock=ClockName.VIRTUAL, delay="lognormal:150,0.25")
CARTPOLE = Setup("cartpole", "teacher", episodes=4, clock=ClockName.VIRTUAL, latency="70")

HOSTILE = "</script></details><script>document.title='owned'</script><img src=x onerror=alert(1)>{{7*7}} $x^2$ `|`"
"""What a model might write, and what someone might call a controller."""


def make_eval(runs: Path) -> Path:
    return evaluate(prepare(CARTPOLE), runs / "evaluation").run


def make_verdict(runs: Path) -> Path:
    return reach_verdict(LATE, runs / "judged").run


def make_cliff(runs: Path) -> Path:
    fly_curve(CurveSetup(replace(CARTPOLE, latency=None), delays_ms=(0, 60, 80)), runs / "curve")
    return runs / "curve"


def make_ways(runs: Path) -> Path:
    setup = CurveSetup(replace(CARTPOLE, latency=None), delays_ms=(0, 100), ways=("serial", "chunked"))
    fly_curve(setup, runs / "ways")
    return runs / "ways"


def make_comparison(runs: Path) -> Path:
    """Fly in real time, as comparisons do, for no longer than a controller of nothing stays up."""
    compare(Comparison(Setup("cartpole", "", episodes=2), ("none", "random"), (LateRule.HOLD,)), runs / "compared")
    return runs / "compared"


def make_hostile(runs: Path) -> Path:
    """Write a run in which everything that may be text of someone else's is `HOSTILE`."""
    setup = replace(CARTPOLE, episodes=2)
    prepared = prepare(setup)
    flights = [prepared.fly(prepared.dressed(), seed) for seed in setup.seeds]
    writer = RunWriter(runs / "hostile", {"verb": "eval", **replace(setup, controller=HOSTILE).as_json()})
    writer.append(*map(with_hostile_words, flights))
    return writer.folder


def with_hostile_words(flight: Flight) -> Flight:
    wrong = AnswerRecord(0, -20.0, 30.0, None, False, HOSTILE, HOSTILE)
    ticks: Sequence[Tick] = [tick._replace(answers=(*tick.answers, wrong)) for tick in flight.ticks]
    return Flight(replace(flight.episode, outcome=HOSTILE, invalid_answers=len(ticks)), ticks)


def cut_short(run: Path, to: Path, whole_episodes: int) -> Path:
    """Copy a run as a kill would have left it: in the middle of writing an episode."""
    shutil.copytree(run, to)
    (to / "summary.json").unlink()
    lines = (to / "episodes.jsonl").read_bytes().splitlines(keepends=True)
    (to / "episodes.jsonl").write_bytes(b"".join(lines[:whole_episodes]) + lines[whole_episodes][:40])
    return to


MAKERS: dict[str, Callable[[Path], Path]] = {
    "eval": make_eval,
    "verdict": make_verdict,
    "cliff": make_cliff,
    "ways": make_ways,
    "compare": make_comparison,
    "hostile": make_hostile,
}


class Page(HTMLParser):
    """What of a page is an element, and what is read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.scripts: list[str] = []
        self._script = self._style = False
        self.feed(html)
        self.words = " ".join(self.words.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._script, self._style = tag == "script", tag == "style"
        if self._script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._script = self._style = False
        self.words += " " if tag in {"td", "th", "dd", "dt", "p", "li", "summary", "h1", "h2", "h3"} else ""

    def handle_data(self, data: str) -> None:
        if self._script:
            self.scripts[-1] += data
        elif not self._style:
            self.words += data

    def of(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.elements if name == tag)

    def replays(self) -> list[Json]:
        kinds = [attributes.get("type") for attributes in self.of("script")]
        packed = [text for kind, text in zip(kinds, self.scripts, strict=True) if kind == "application/octet-stream"]
        return [json.loads(gzip.decompress(base64.b64decode(text))) for text in packed]


def report(to: Path, *folders: Path) -> tuple[Json, Page, str]:
    result = publish(folders, to)
    return result, Page(Path(result["html"]).read_text()), Path(result["markdown"]).read_text()


def summary_of(run: Path) -> Json:
    return json.loads((run / "summary.json").read_text())


def plainly(markdown: str) -> str:
    """Return the words of Markdown, its cells apart by a blank."""
    return " ".join(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", markdown.replace("|", " ").replace("**", "")).split())
