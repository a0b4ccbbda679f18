"""What does it cost to be watched? Lateness of the ticks with a page attached and without, frames a second, the report.

CartPole flown by its teacher in ``ontick watch``, 500 ticks an episode, by turns with nobody connected and with one
page open in a real Chromium that draws it; then with a hundred connections, a tenth of which never read. Lateness is
what the record says. The page's frames are those in which it drew the stage while ticks came. The report is that of 50
episodes of LunarLander, opened from disk in a new browser until its first replay stands on the page.

Chromium draws without a graphics card here and so takes a good part of a core itself; on a desktop it costs less.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import tyro
from playwright.async_api import Browser, Page, async_playwright
from websockets.asyncio.client import ClientConnection, connect

from bars import print_last_line
from machine import keep_to_two_cores, neighbours
from ontick.records import read_run

CROWD = 100
WARM_UP_TICKS = 50
EPISODE_S = 10.0
MUST = {
    "p99_growth_ms": "<= 0.5",
    "crowd_p99_growth_ms": "<= 0.5",
    "frames_per_second": ">= 50",
    "report_mb": "<= 5.0",
    "report_opens_s": "<= 2.0",
}

COUNT_FRAMES = """
window.framesDrawn = 0;
let drawn = false;
const drawImage = CanvasRenderingContext2D.prototype.drawImage;
CanvasRenderingContext2D.prototype.drawImage = function (...parts) {
  drawn = true;
  return drawImage.apply(this, parts);
};
requestAnimationFrame(function count() {
  window.framesDrawn += drawn ? 1 : 0;
  drawn = false;
  requestAnimationFrame(count);
});
"""
"""The scene puts its backdrop down once a picture, by drawImage; a frame counts once however much it draws."""


class Watched:
    """A running ``ontick watch``."""

    def __init__(self, url: str, runs: Path) -> None:
        self.url = url
        self.runs = runs

    def connect(self) -> connect:
        """Open a websocket as the page does."""
        address = urlsplit(self.url)
        return connect(f"ws://{address.netloc}{address.path}ws", origin=f"http://{address.netloc}")  # type: ignore[arg-type]

    async def fly(self, seed: int) -> list[float]:
        """Fly an episode for whoever is there, nobody staying because of it; return how late its ticks were, in ms."""
        before = set(self.runs.glob("*/summary.json"))
        async with self.connect() as link:
            await link.send(json.dumps({"do": "fly", "settings": {"seed": seed, "go_on": False}}))
            await _flies(link)
        deadline = time.monotonic() + 4 * EPISODE_S
        while not (done := set(self.runs.glob("*/summary.json")) - before):
            if time.monotonic() > deadline:
                raise TimeoutError("the flight did not end")
            await asyncio.sleep(0.2)
        (flight,) = read_run(done.pop().parent).flights()
        return [tick.lateness_ms for tick in flight.ticks[WARM_UP_TICKS:]]


async def _flies(link: ClientConnection) -> None:
    """Wait until a flight has begun; the newest tick of the one before, told at first, is a late one."""
    while True:
        message: dict[str, Any] = json.loads(await link.recv())
        if message["say"] == "tick" and message["tick"] < WARM_UP_TICKS:
            return


@contextmanager
def watching(runs: Path) -> Generator[Watched]:
    """Run ``ontick watch`` as a user does."""
    command = [
        sys.executable,
        "-m",
        "ontick",
        "watch",
        "cartpole",
        "teacher",
        "--port",
        "0",
        "--json",
        "--runs",
        str(runs),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Watched(json.loads(server.stdout.readline())["url"], runs)
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(20)


@asynccontextmanager
async def crowd(watched: Watched) -> AsyncGenerator[None]:
    """Hold a hundred connections open, of which some never read."""

    async def read(link: ClientConnection) -> None:
        async for _ in link:
            pass

    links = [await watched.connect() for _ in range(CROWD)]
    readers = [asyncio.create_task(read(link)) for link in links[CROWD // 10 :]]
    try:
        yield
    finally:
        for reader in readers:
            reader.cancel()
        for link in links:
            link.transport.abort()


async def frames_a_second(page: Page, watched: Watched, seed: int) -> tuple[list[float], float]:
    """Fly an episode before a page; return how late its ticks were, and how often the page drew it in a second."""
    flown = asyncio.create_task(watched.fly(seed))
    await asyncio.sleep(1.0)
    began, before = time.perf_counter(), await page.evaluate("window.framesDrawn")
    await asyncio.sleep(EPISODE_S - 2.0)
    frames = await page.evaluate("window.framesDrawn") - before
    seconds = time.perf_counter() - began
    return await flown, frames / seconds


async def report_opens_s(browser: Browser, file: Path) -> float:
    """Open a report from disk; return how long it took until it could be read and its first replay had been drawn."""
    page = await browser.new_page()
    began = time.perf_counter()
    await page.goto(file.as_uri(), wait_until="load")
    replay = page.locator("details.reel").first
    await replay.locator("summary").click()
    await replay.locator("canvas").first.wait_for(state="visible")
    took_s = time.perf_counter() - began
    await page.close()
    return took_s


def report_of(runs: Path, episodes: int) -> Path:
    """Fly LunarLander's teacher late, as a report with failures in it, and return the page."""
    flown = _ontick(
        "eval",
        "lunarlander",
        "teacher",
        "--clock",
        "virtual",
        "--latency",
        "80",
        "--episodes",
        str(episodes),
        "--runs",
        str(runs),
    )
    return Path(_ontick("report", flown["run"])["html"])


def _ontick(*words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ontick", *words, "--json"], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _p99(lateness_ms: Sequence[Sequence[float]]) -> float:
    """Return the median over flights of their 99th percentiles, so that one stall of the machine does not decide."""
    return float(np.median([np.percentile(flight, 99) for flight in lateness_ms]))


async def measure(rounds: int, chromium: str, folder: Path) -> dict[str, float]:
    """Fly every way by turns and return the figures."""
    alone: list[list[float]] = []
    seen: list[list[float]] = []
    crowded: list[list[float]] = []
    rates: list[float] = []
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=flags)
        with watching(folder / "watched") as watched:
            await watched.fly(0)  # the first loads the controller
            for round_ in range(rounds):
                alone.append(await watched.fly(round_))
                page = await browser.new_page()
                await page.add_init_script(COUNT_FRAMES)
                await page.goto(watched.url)
                await page.locator("canvas").first.wait_for()
                lateness_ms, rate = await frames_a_second(page, watched, round_)
                seen.append(lateness_ms)
                rates.append(rate)
                await page.close()
                async with crowd(watched):
                    crowded.append(await watched.fly(round_))
        report = report_of(folder / "reported", 50)
        opens_s = [await report_opens_s(browser, report) for _ in range(rounds)]
        await browser.close()
    return {
        "alone_p99_ms": _p99(alone),
        "watched_p99_ms": _p99(seen),
        "crowd_p99_ms": _p99(crowded),
        "p99_growth_ms": _p99(seen) - _p99(alone),
        "crowd_p99_growth_ms": _p99(crowded) - _p99(alone),
        "frames_per_second": float(np.median(rates)),
        "report_mb": report.stat().st_size / 1e6,
        "report_opens_s": float(np.median(opens_s)),
    }


def main(rounds: int = 5, chromium: str = "/usr/bin/chromium") -> None:
    """Measure and print the figures.

    Args:
        rounds: how many episodes are flown each way; of ten seconds each.
        chromium: the browser.
    """
    if not os.access(chromium, os.X_OK):
        print(f"{chromium} is no browser; install Chromium, or give another with --chromium", file=sys.stderr)
        sys.exit(2)
    cores = keep_to_two_cores()
    with tempfile.TemporaryDirectory() as folder, neighbours() as others:
        figures = asyncio.run(measure(rounds, chromium, Path(folder)))
    figures |= {"rounds": rounds, "crowd": CROWD, "cores": cores}
    print_last_line("viewer_load", {**figures, "others_cpu_share": others.share}, MUST)


if __name__ == "__main__":
    tyro.cli(main)
