"""A report as a reader meets it: opened from disk in a real browser, without a network."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from browser import Watched, running_chromium, screenshot, watched_page
from ontick.report.document.publish import publish
from reports import HOSTILE

OPENED = "details => details.open = true"


@pytest.fixture(scope="module")
def pages(runs: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    return {name: Path(publish([runs(name)], folder / name)["html"]) for name in ("verdict", "hostile")}


@contextmanager
def opened(page: Path, **options: Any) -> Generator[Watched]:
    """Open a report with the network off; it must ask for nothing but itself."""
    with running_chromium() as browser, watched_page(browser, offline=True, **options) as watched:
        asked: list[str] = []
        watched.page.on("request", lambda request: asked.append(request.url))
        watched.page.on("dialog", lambda dialog: watched.complaints.append(f"dialog: {dialog.message}"))
        watched.page.goto(page.as_uri())
        yield watched
        assert [url for url in asked if not url.startswith("data:text/javascript")] == [page.as_uri()]


def watch_first(watched: Watched) -> Any:
    """Open the first replay and return its player."""
    for fold in watched.page.locator("details.fold").all():
        fold.evaluate(OPENED)
    reel = watched.page.locator("details.reel").first
    reel.locator("summary").click()
    player = reel.locator(".ot-player")
    player.wait_for()
    return player


def test_a_replay_opens_and_plays(pages: dict[str, Path]) -> None:
    from playwright import sync_api

    expect: Any = sync_api.expect
    with opened(pages["verdict"]) as watched:
        assert watched.page.locator(".ot-player").count() == 0
        player = watch_first(watched)
        scrub = player.locator("input.ot-scrub")
        assert scrub.input_value() == "0"
        player.get_by_role("button", name="Play").click()
        expect(scrub).to_have_value(re.compile("[3-9]|[0-9]{2}"))
        drawn = player.locator("canvas").first.evaluate(
            "canvas => new Set(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data).size"
        )
        assert drawn > 20
        screenshot(watched, "report-playing")


def test_what_is_closed_is_put_away_and_opens_again(pages: dict[str, Path]) -> None:
    from playwright import sync_api

    expect: Any = sync_api.expect
    with opened(pages["verdict"]) as watched:
        watch_first(watched)
        summary = watched.page.locator("details.reel > summary").first
        summary.click()
        expect(watched.page.locator(".ot-player")).to_have_count(0)
        summary.click()
        watched.page.locator(".ot-player").wait_for()
        second = watched.page.locator("details.reel > summary").nth(1)
        second.click()
        expect(watched.page.locator(".ot-player")).to_have_count(2)


def test_it_follows_the_theme_plots_too(pages: dict[str, Path]) -> None:
    ink: dict[str, set[str]] = {}
    for scheme in ("light", "dark"):
        with opened(pages["verdict"], color_scheme=scheme, viewport={"width": 1280, "height": 900}) as watched:
            colour = "element => getComputedStyle(element).getPropertyValue('fill')"
            ink[scheme] = {watched.page.locator(".plot svg text").first.evaluate(colour)}
            ink[scheme].add(watched.page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor"))
            watch_first(watched)
            screenshot(watched, f"report-{scheme}")
    assert not ink["light"] & ink["dark"]


@pytest.mark.parametrize("name", ["verdict", "hostile"])
def test_a_phone_shows_all_of_it(pages: dict[str, Path], name: str) -> None:
    with opened(pages[name], viewport={"width": 360, "height": 740}) as watched:
        watch_first(watched)
        screenshot(watched, f"report-{name}-phone")
        for details in watched.page.locator("details").all():
            details.evaluate(OPENED)
        assert watched.page.evaluate("document.documentElement.scrollWidth") == 360


def test_text_of_someone_elses_is_only_text(pages: dict[str, Path]) -> None:
    with opened(pages["hostile"]) as watched:
        player = watch_first(watched)
        title = watched.page.title()
        assert title.startswith("cartpole flown by ")
        assert HOSTILE in title
        assert watched.page.locator("img").count() == 0
        assert HOSTILE in player.inner_text()
        assert watched.page.locator("h1").inner_text() == f"cartpole flown by {HOSTILE}"


def test_it_reads_without_scripts(pages: dict[str, Path]) -> None:
    with opened(pages["verdict"], java_script_enabled=False) as watched:
        assert watched.page.locator(".verdict").inner_text() == "latency"
        assert watched.page.locator("noscript").inner_text().startswith("Replays play with JavaScript")


def test_a_screen_reader_finds_its_way(pages: dict[str, Path]) -> None:
    with opened(pages["verdict"]) as watched:
        page = watched.page
        assert page.get_by_role("main").count() == 1
        assert page.get_by_role("navigation", name="Contents").get_by_role("link").count() == 5
        assert page.get_by_role("heading", level=1).count() == 1
        for link in page.get_by_role("navigation").get_by_role("link").all():
            target = page.locator(link.get_attribute("href") or "nowhere")
            assert target.get_by_role("heading", level=2).first.inner_text() == link.inner_text()
        levels = page.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => Number(h.tagName[1]))")
        assert all(deeper <= level + 1 for level, deeper in pairwise(levels))
        assert page.get_by_role("img", name="real time: 67 answers took").count() >= 1
        assert page.locator("[tabindex]:not([aria-label]):not(pre)").count() == 0
