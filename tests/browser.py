"""A real headless Chromium for tests of pages: what a page complains of fails the test that opened it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str | None:
    """Where Chromium is installed."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@contextmanager
def running_chromium() -> Generator[Browser]:
    """Start Chromium. Where there is none the test is skipped, but in CI (environment variable CI) it fails.

    Playwright keeps an event loop in the thread that started it, in which no other can run meanwhile; so end it soon.
    """
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _miss("Python's playwright is not installed; run: pip install playwright")
    path = chromium_path()
    if path is None:
        _miss("no Chromium on the path; install it (Debian: apt install chromium) to test the pages")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


def _miss(why: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip(why)


@dataclass
class Watched:
    """An open page and everything that it has complained of."""

    page: Page
    complaints: list[str] = field(default_factory=list[str])

    def hear(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"console {message.type}: {message.text}")


@contextmanager
def watched_page(browser: Browser, **options: Any) -> Generator[Watched]:
    """Open an empty page; at the end it must not have complained. ``options`` are those of a new browser context."""
    context = browser.new_context(**options)
    try:
        watched = Watched(context.new_page())
        watched.page.on("console", watched.hear)
        watched.page.on("pageerror", lambda error: watched.complaints.append(f"error: {error}"))
        watched.page.on("requestfailed", lambda request: watched.complaints.append(f"failed: {request.url[:200]}"))
        yield watched
        assert not watched.complaints, watched.complaints
    finally:
        context.close()


def screenshot(watched: Watched, name: str) -> None:
    """Keep a picture of the whole page in the folder that the environment variable ONTICK_SCREENSHOTS names, if any."""
    if folder := os.environ.get("ONTICK_SCREENSHOTS"):
        watched.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
