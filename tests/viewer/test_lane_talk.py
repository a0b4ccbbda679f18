"""A lane's model answers what a page asks while it flies, and what the server tells of it is how things stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from page_at_work import await_text, await_tick, fly, lane, open_page
from watching import Watch, controller, tab, watching

from browser import Watched, screenshot, watched_page
from ontick.errors import OntickError
from ontick.records import Json
from ontick.viewer.exchanges import MOST_WAITING, REMEMBERED, Exchanges
from ontick.viewer.messages import LONGEST_QUESTION, Ask, Hush, read_message

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = '<img src=x onerror="window.harmed = true"> for ever'


PILOT = controller("Talks")


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watching(tmp_path_factory.mktemp("runs"), "cartpole", PILOT) as watch:
        yield watch


def read(**said: object) -> object:
    return read_message(json.dumps(said))


def test_what_a_page_asks() -> None:
    assert read(do="ask", lane=0, text=" How high? ") == Ask(0, "How high?")
    assert read(do="ask", lane=1, text="Où? 東京 🚀") == Ask(1, "Où? 東京 🚀")
    assert read(do="hush", lane=1) == Hush(1)


@pytest.mark.parametrize(
    "text", ["", "  ", 7, None, ["a"], "x" * (LONGEST_QUESTION + 1), "a\nb", "a\x00b", "a\x1b[2Jb", "\ud800"]
)
def test_what_it_cannot_ask(text: object) -> None:
    with pytest.raises(OntickError) as refused:
        read(do="ask", lane=0, text=text)
    assert "one line" in str(refused.value)
    assert len(str(refused.value)) < 300


def test_questions_wait_are_answered_and_are_forgotten_in_order() -> None:
    told: list[Json] = []
    exchanges = Exchanges(1, told.append)
    numbers = [exchanges.ask(f"question {number}") for number in range(MOST_WAITING)]
    with pytest.raises(OntickError, match="wait already"):
        exchanges.ask("one more")
    exchanges.hear(numbers[0], {"state": "writing", "text": "so"})
    assert told[-1]["question"] == "question 0"
    assert (told[-1]["state"], told[-1]["text"], told[-1]["lane"]) == ("writing", "so", 1)
    exchanges.hear(numbers[0], {"state": "done", "text": "so it is"})
    exchanges.hear(numbers[0], {"state": "stopped"})
    exchanges.hear(77, {"state": "done"})
    exchanges.end()
    assert [one["state"] for one in exchanges.messages()] == ["done", "stopped", "stopped", "stopped"]
    for number in range(2 * REMEMBERED):
        exchanges.hear(exchanges.ask(f"again {number}"), {"state": "done"})
    assert len(list(exchanges.messages())) == REMEMBERED
    exchanges.clear()
    assert not list(exchanges.messages())


def test_a_model_answers_while_it_flies(watch: Watch) -> None:
    with tab(watch) as page:
        page.say("fly", settings={"controllers": ["none"], "task": "long", "go_on": False})
        page.until(lambda said: said["say"] == "lane" and said["state"] == "flying" and said["talks"] is None)
        page.say("ask", lane=0, text="Who are you?")
        assert "nobody on that lane" in page.told("refused")["why"]
        page.fly(PILOT, task="long")
        assert page.until(lambda said: said["say"] == "tick")["talk"] is None
        assert page.lanes()[0]["talks"] == {"model": "Parrot-1B"}
        page.say("ask", lane=0, text="How high are we?")
        assert page.told("talk", number=1)["state"] == "waiting"
        assert page.told("talk", number=1, state="done")["text"] == "How high are we? "
        page.say("ask", lane=0, text="Go on for ever")
        page.say("ask", lane=0, text="And this?")
        tick = page.until(lambda said: said["say"] == "tick" and said["talk"] is not None)
        assert tick["talk"]["answering"]["ticks"] > 0
        assert page.told("talk", number=2, state="writing")["question"] == "Go on for ever"
        page.say("hush", lane=0)
        ends = {page.told("talk", state="stopped")["number"] for _ in range(2)}
        assert ends == {2, 3}
        assert page.lanes()[0]["state"] == "flying"


def test_who_comes_late_sees_what_was_said_and_who_goes_falls_silent(watch: Watch) -> None:
    with tab(watch) as page:
        page.fly(PILOT, task="long")
        page.say("ask", lane=0, text="Go on for ever and ever")
        number = page.told("talk", state="writing", question="Go on for ever and ever")["number"]
        with tab(watch) as late:
            assert late.once("talk", number=number)["question"] == "Go on for ever and ever"
        page.fly("none", task="long")
        assert page.once("talk", number=number, state="stopped")["text"].startswith("Go")
        assert page.lanes()[0]["talks"] is None
        page.say("stop")


def test_a_person_asks_in_the_browser_and_it_flies_on(watch: Watch, chromium: Browser) -> None:
    with watched_page(chromium, viewport={"width": 390, "height": 844}) as watched:
        page = watched.page
        open_page(page, watch.url)
        fly(page, "long", "none")
        page.wait_for_selector(lane(0, "talk"), state="hidden")
        fly(page, "long", PILOT)
        ask_and_read(watched)
        fly(page, "long", "none")
        page.wait_for_selector(lane(0, "talk"), state="hidden")
        page.click("#stop")


def ask_and_read(watched: Watched) -> None:
    page = watched.page
    page.wait_for_selector(f"{lane(0, 'question')}:not(:disabled)")
    assert page.inner_text(lane(0, "talk-model")) == "Parrot-1B"
    assert "One set of weights" in page.inner_text(lane(0, "talk"))
    await_tick(page, 5)
    episode = page.get_attribute(lane(0), "data-episode")
    page.fill(lane(0, "question"), HOSTILE)
    page.focus(lane(0, "question"))
    page.keyboard.type(" tsfl, ")
    assert page.input_value(lane(0, "question")).endswith(" tsfl, "), "keys that are typed do nothing else"
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-lane='0'] .turns .answer:not(:empty)")
    stop = page.locator(lane(0, "hush")).bounding_box()
    await_text(page, "[data-lane='0'] .turns .answer", HOSTILE.split()[-1])
    assert HOSTILE in page.inner_text("[data-lane='0'] .turns .question")
    assert page.evaluate("window.harmed") is None
    page.wait_for_selector(lane(0, "talk-cost"))
    await_text(page, "[data-lane='0'] .turns .answer", " tsfl, ".join([HOSTILE] * 3))
    assert page.locator(lane(0, "hush")).bounding_box() == stop, "a growing answer moves nothing under a finger"
    page.click(lane(0, "hush"))
    page.wait_for_selector("[data-lane='0'] .turns li[data-state=stopped]")
    assert not page.is_visible(lane(0, "hush"))
    assert page.get_attribute(lane(0), "data-episode") == episode, "it flies on"
    assert page.get_attribute("#pause", "aria-pressed") == "false"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(watched, "watch-talk")
