"""How a test uses the live page: open it, fly, and wait for what it shows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def open_page(page: Page, url: str) -> None:
    page.goto(url)
    page.wait_for_selector("#link[data-state=open]")
    page.wait_for_selector("[name=task] option", state="attached")


def fly(page: Page, task: str, *controllers: str, seed: int = 3, delay_ms: int = 0, late: str = "hold") -> None:
    """Fly one episode from the start at real time, and wait until the first lane has begun it, or ended it already."""
    before = page.get_attribute(lane(0), "data-episode")
    page.select_option("[name=task]", task)
    page.fill("[name=first]", controllers[0])
    if page.locator("#second-field").is_visible() != (len(controllers) > 1):
        page.click("#beside")
    if len(controllers) > 1:
        page.fill("[name=second]", controllers[1])
    page.fill("[name=seed]", str(seed))
    page.set_checked("#go-on", False)
    page.check(f"[name=late][value={late}]")
    page.check("[name=speed][value='1']")
    if page.get_attribute("#pause", "aria-pressed") == "true":
        page.click("#pause")
    page.locator("#delay-range").fill(str(delay_ms))
    page.click("#fly")
    page.wait_for_function(
        """([at, before, seed]) => document.querySelector(at).dataset.episode !== before
            && document.querySelector(at + " [data-part=seed]").textContent === seed""",
        arg=[lane(0), before, f"seed {seed}"],
    )


def lane(number: int, part: str = "stage") -> str:
    return (
        f'[data-lane="{number}"][data-part="{part}"]'
        if part == "stage"
        else f'[data-lane="{number}"] [data-part={part}]'
    )


def tick(page: Page, number: int = 0) -> int:
    found = re.match(r"tick (\d+)", page.inner_text(lane(number, "when")))
    return int(found[1]) if found else -1


def await_tick(page: Page, least: int, number: int = 0) -> None:
    page.wait_for_function(
        "([at, least]) => Number(document.querySelector(at).textContent.match(/tick (\\d+)/)?.[1] ?? -1) >= least",
        arg=[lane(number, "when"), least],
    )


def await_text(page: Page, at: str, text: str) -> None:
    page.wait_for_function("([at, text]) => document.querySelector(at).textContent.includes(text)", arg=[at, text])


def await_outcome(page: Page, number: int = 0) -> tuple[str, bool]:
    page.wait_for_selector(lane(number, "banner"), timeout=60_000)
    word = page.inner_text(lane(number, "outcome"))
    return word, page.get_attribute(lane(number, "banner"), "data-success") == "true"


def await_motion(page: Page) -> None:
    """Wait until the first lane's picture is another."""
    page.wait_for_function(
        """at => {
            const now = document.querySelector(at).toDataURL();
            window.drawn ??= now;
            return now !== window.drawn;
        }""",
        arg=lane(0, "canvas"),
    )


def share(page: Page, source: str) -> int:
    return int(page.inner_text(count(source)).split()[0])


def await_any(page: Page, source: str) -> None:
    page.wait_for_function("at => /^[1-9]/.test(document.querySelector(at).textContent)", arg=count(source))


def count(source: str) -> str:
    return f"[data-lane='0'] dt.ot-{source} + dd"
