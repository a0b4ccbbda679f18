"""The live page in a real browser, on the real server: what one sees, drags, presses and reads there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page_at_work import (
    await_any,
    await_motion,
    await_outcome,
    await_text,
    await_tick,
    fly,
    lane,
    open_page,
    share,
    tick,
)
from watching import watching

from browser import Watched, running_chromium, screenshot, watched_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = '<img src=x onerror="window.harmed = true"><script>window.harmed = true</script>'
OWN_CONTROLLER = f"""
from ontick.controllers.base import Decision

class Hostile:
    def __init__(self, task):
        pass
    def reset(self, seed):
        pass
    def decide(self, observation):
        return Decision(0, text={HOSTILE!r}, logprobs=(-0.25, -1.5))
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("own") / "own.py"
    file.write_text(OWN_CONTROLLER)
    return f"python:{file}:Hostile"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, hostile: str) -> Iterator[str]:
    with watching(tmp_path_factory.mktemp("runs"), "cartpole", "teacher", hostile) as watch:
        yield watch.url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def desk(browser: Browser, url: str) -> Iterator[Watched]:
    with watched_page(browser, viewport={"width": 1440, "height": 900}) as watched:
        open_page(watched.page, url)
        yield watched


@pytest.mark.parametrize("task", ["cartpole", "lunarlander"])
def test_a_controller_flies_and_its_picture_moves(desk: Watched, task: str) -> None:
    page = desk.page
    fly(page, task, "teacher")
    await_tick(page, 10)
    await_motion(page)
    assert page.inner_text(lane(0, "who")) == "teacher"
    assert page.inner_text(lane(0, "latency")).endswith("ms")
    assert share(page, "fresh") > 50
    await_text(page, lane(0, "agreement"), "as the teacher")
    assert task in (page.get_attribute(lane(0, "canvas"), "aria-label") or "")
    screenshot(desk, f"watch-{task}")


def test_the_lander_falls_when_the_delay_is_dragged_up(desk: Watched) -> None:
    page = desk.page
    fly(page, "lunarlander", "teacher")
    await_tick(page, 5)
    slider = page.locator("#delay-range").bounding_box()
    assert slider is not None
    y = slider["y"] + slider["height"] / 2
    page.mouse.move(slider["x"] + 10, y)
    page.mouse.down()
    page.mouse.move(slider["x"] + slider["width"] * 0.9, y, steps=6)
    page.mouse.up()
    assert int(page.inner_text("#delay-figure").split()[0]) > 350
    outcome, success = await_outcome(page)
    assert not success, outcome
    assert share(page, "held") > share(page, "fresh")
    assert "reward" in page.inner_text(lane(0, "ending"))
    screenshot(desk, "watch-fallen")


def test_the_teacher_lands_and_stands_in_the_table(desk: Watched) -> None:
    page = desk.page
    fly(page, "lunarlander", "teacher")
    outcome, success = await_outcome(page)
    assert success, outcome
    page.wait_for_selector("#rows tbody tr")
    # A flight of a test before may have ended meanwhile, on a busy machine not as well.
    assert re.search(r"[1-9]\d*/\d+ landed", page.inner_text("#rows tbody"))


def test_the_late_rule_changes_in_flight(desk: Watched) -> None:
    page = desk.page
    fly(page, "lunarlander", "teacher", delay_ms=60)
    await_any(page, "held")
    assert share(page, "noop") == 0
    page.check("[name=late][value=noop]")
    await_any(page, "noop")


def test_time_stands_still_and_goes_slower(desk: Watched) -> None:
    page = desk.page
    fly(page, "cartpole", "teacher")
    await_tick(page, 5)
    page.keyboard.press("Space")  # the button that was clicked does not keep it
    await_text(page, lane(0, "chip"), "paused")
    page.wait_for_timeout(300)
    stood_at = tick(page)
    page.wait_for_timeout(300)
    assert tick(page) == stood_at
    page.keyboard.press("Space")
    await_tick(page, stood_at + 5)
    page.keyboard.press("s")
    await_text(page, lane(0, "chip"), "½ speed")
    await_tick(page, tick(page) + 5)
    page.check("[name=speed][value='1']")
    page.wait_for_selector(lane(0, "chip"), state="hidden")


def test_a_person_steers_with_the_arrow_keys_and_hands_back(desk: Watched) -> None:
    page = desk.page
    fly(page, "lunarlander", "teacher")
    page.click(lane(0, "seize"))
    page.wait_for_selector(".stage.yours")
    await_text(page, lane(0, "chip"), "you fly")
    for key, action in (("ArrowUp", "main engine"), ("ArrowLeft", "left engine"), ("ArrowRight", "right engine")):
        page.keyboard.down(key)
        await_text(page, lane(0, "action"), action)
        page.keyboard.up(key)
    await_text(page, lane(0, "action"), "nothing")
    held = page.locator(f"{lane(0, 'hands')} button").nth(1)
    held.dispatch_event("pointerdown")
    await_text(page, lane(0, "action"), "main engine")
    held.dispatch_event("pointerup")
    await_text(page, lane(0, "action"), "nothing")
    page.click(lane(0, "seize"))
    page.wait_for_selector(".stage.yours", state="detached")


def test_a_task_with_no_picture_and_no_teacher_is_shown_as_gauges(desk: Watched) -> None:
    page = desk.page
    fly(page, "long", "random")
    await_tick(page, 5)
    await_motion(page)
    assert page.inner_text(lane(0, "agreement")) == ""
    screenshot(desk, "watch-gauges")
    page.click("#stop")
    await_text(page, lane(0, "outcome"), "Interrupted")


def test_whoever_presses_nothing_does_nothing_where_that_is_an_action(desk: Watched) -> None:
    page = desk.page
    fly(page, "lunarlander", "you")
    page.keyboard.down("ArrowUp")
    await_text(page, lane(0, "action"), "main engine")
    page.keyboard.up("ArrowUp")
    await_text(page, lane(0, "action"), "nothing")
    await_text(page, lane(0, "source"), "fresh")


def test_a_flight_by_hand_stands_in_the_table(desk: Watched) -> None:
    page = desk.page
    fly(page, "cartpole", "you")
    page.wait_for_selector(".stage.yours")
    page.keyboard.down("ArrowLeft")
    outcome, success = await_outcome(page)
    page.keyboard.up("ArrowLeft")
    assert not success, outcome
    page.wait_for_selector("#rows tr.you")
    assert "you" in page.inner_text("#rows tr.you >> nth=0")


def test_keys_typed_into_a_field_do_nothing_else(desk: Watched) -> None:
    page = desk.page
    fly(page, "cartpole", "teacher")
    page.focus("[name=first]")
    page.keyboard.type(" stf,.")
    page.focus("[name=seed]")
    page.keyboard.press("ArrowUp")
    assert page.input_value("[name=first]") == "teacher stf,."
    assert page.input_value("[name=seed]") == "4"
    await_tick(page, tick(page) + 5)
    assert page.get_attribute("#pause", "aria-pressed") == "false"
    assert page.is_checked("[name=speed][value='1']")
    assert page.inner_text("#delay-figure") == "0 ms"


def test_two_controllers_fly_the_same_seed_side_by_side(desk: Watched) -> None:
    page = desk.page
    fly(page, "cartpole", "teacher", "random", seed=7)
    await_tick(page, 3, 1)
    assert page.inner_text(lane(1, "who")) == "random"
    assert page.inner_text(lane(1, "seed")) == page.inner_text(lane(0, "seed")) == "seed 7"
    _, success = await_outcome(page, 1)
    assert not success
    screenshot(desk, "watch-two")


def test_a_controller_that_cannot_be_loaded_says_why_and_the_other_flies(desk: Watched) -> None:
    page = desk.page
    fly(page, "cartpole", "teacher", "nobody-of-that-name")
    page.wait_for_selector(f"{lane(1)}[data-state=failed]")
    assert "nobody-of-that-name" in page.inner_text(lane(1, "message"))
    await_tick(page, tick(page) + 5)


def test_what_the_server_refuses_is_said_and_put_away(desk: Watched) -> None:
    page = desk.page
    page.evaluate("document.querySelector('[name=task]').append(new Option('no-such-task'))")
    page.select_option("[name=task]", "no-such-task")
    page.click("#fly")
    page.wait_for_selector(".notice")
    assert "no-such-task" in page.inner_text(".notice")
    page.click(".notice button")
    assert page.locator(".notice").count() == 0


def test_a_flight_is_replayed_from_its_record(desk: Watched) -> None:
    page = desk.page
    fly(page, "cartpole", "random", seed=11)
    await_outcome(page)
    page.click(lane(0, "again"))
    page.wait_for_selector("#player .ot-player canvas")
    assert "seed 11" in page.inner_text("#player")
    assert page.locator(".run[aria-current=true]").count() == 1
    screenshot(desk, "watch-replay")


def test_words_of_a_model_are_shown_as_words(desk: Watched, hostile: str) -> None:
    page = desk.page
    fly(page, "cartpole", hostile)
    page.click("summary:visible >> text=Prompt and answer")
    page.wait_for_function("text => document.querySelector('[data-part=answer]').textContent === text", arg=HOSTILE)
    assert page.locator("main img").count() == 0
    assert page.evaluate("window.harmed") is None
    page.wait_for_selector(f"{lane(0, 'actions')}.known")
    assert "\N{MINUS SIGN}0.25" in page.inner_text(lane(0, "actions"))


@pytest.mark.parametrize("width", [360, 900, 1440])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_nothing_is_wider_than_the_window(browser: Browser, url: str, width: int, scheme: Any) -> None:
    with watched_page(browser, viewport={"width": width, "height": 800}, color_scheme=scheme) as watched:
        page = watched.page
        open_page(page, url)
        fly(page, "lunarlander", "you")
        page.wait_for_selector(".stage.yours")
        await_tick(page, 10)
        screenshot(watched, f"watch-{width}-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_reaction_is_measured_and_guesses_do_not_count(browser: Browser, url: str) -> None:
    with watched_page(browser) as watched:
        page = watched.page
        page.add_init_script("Math.random = () => 0;")  # the lamp is always lit after the shortest wait
        sent: list[dict[str, Any]] = []
        page.on("websocket", lambda socket: socket.on("framesent", lambda text: sent.append(json.loads(str(text)))))
        open_page(page, url)
        page.click("#measure")
        page.click("#lamp")
        page.keyboard.press("x")
        assert "Too early" in page.inner_text("#reaction-words")
        for measured in range(5):
            page.wait_for_selector("#reaction[data-state=lit]")
            page.wait_for_timeout(150)
            page.keyboard.press("x")
            page.wait_for_selector(f"#reaction-marks li:text-matches('ms$') >> nth={measured}")
        assert "Your median" in page.inner_text("#reaction-words")
        (reaction,) = [message for message in sent if message["do"] == "reaction"]
        assert len(reaction["ms"]) == 5
        assert all(time >= 100 for time in reaction["ms"])
        page.keyboard.press("Escape")
        assert page.locator("#reaction").is_hidden()


def test_a_lost_connection_is_said_and_tried_again(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()  # its console will say that the server has gone, as it should
    try:
        with watching(tmp_path, "cartpole", "teacher") as watch:
            open_page(page, watch.url)
        page.wait_for_selector("#link[data-state=lost]")
        await_text(page, "#link", "Connection lost")
        await_text(page, "#notices", "tried again")
        page.wait_for_event("websocket")
    finally:
        page.close()


def test_ticks_are_shown_in_order_however_they_come(desk: Watched) -> None:
    """Jittered, some left out, then paused: the time that is shown never goes back nor past what has come."""
    times = desk.page.evaluate("""async () => {
      const { Motion } = await import("ontick/motion.js");
      const motion = new Motion();
      motion.begin(20);
      const shown = [];
      let now = 0, newest = 0;
      for (let tick = 0; tick < 200; tick += 1) {
        for (let frame = 0; frame < 2; frame += 1) {
          now += 10;
          const poses = motion.at(now);
          if (poses) shown.push([poses[0][0], motion.timeMs, newest]);
        }
        if (tick % 7 === 3) continue;
        newest = tick * 20;
        motion.add(newest, [[newest, 0, 0]], now + (tick % 3) * 4);
      }
      motion.speed = 0;
      const paused = [motion.at(now + 50)[0][0], motion.at(now + 900)[0][0]];
      return { shown, paused };
    }""")
    xs = [x for x, _, _ in times["shown"]]
    assert xs == sorted(xs)
    assert all(x == pytest.approx(head) and head <= newest for x, head, newest in times["shown"])
    steps = [later - earlier for earlier, later in pairwise(xs[40:])]
    assert max(steps) < 20, "no jump, although every seventh tick is left out"
    assert times["paused"][0] == times["paused"][1]
