"""The player in a real browser, on recorded flights: what it shows is what the record says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser import Watched, screenshot, watched_page
from ontick.late import LateRule
from ontick.records import AnswerRecord, Flight, Json
from ontick.replays.assets import import_map, modules, player_styles
from ontick.replays.recorded import read_recorded
from ontick.replays.replay import replay_of
from ontick.tasks import find_task
from ontick.tasks.cartpole import CartPole
from recorded_flights import fly

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

SOURCES = {"F": "fresh", "P": "planned", "H": "held", "N": "no-op"}

NOTHING, APOSTROPHE, MINUS = "\N{EN DASH}", "\N{RIGHT SINGLE QUOTATION MARK}", "\N{MINUS SIGN}"

INSTRUMENTS = """
import { mountPlayer } from "ontick/player.js";
window.drawn = [];
const { Scene } = await import("ontick/scene.js");
const draw = Scene.prototype.draw;
Scene.prototype.draw = function (poses) { window.drawn.push(poses); draw.call(this, poses); };
window.players = [...document.querySelectorAll("script[type='application/json']")].map((text) =>
  mountPlayer(text.nextElementSibling, JSON.parse(text.textContent)));
"""
"""Mounts a player a replay, and keeps every pose that is drawn."""


@pytest.fixture(scope="module")
def replays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    flown = {
        "crash": ("lunarlander", {"latency": "160"}),
        "solved": ("lunarlander", {"latency": "0"}),
        "perfect": ("cartpole", {"latency": "0"}),
        "noop": ("cartpole", {"latency": "90", "in_flight": 3, "late": LateRule.NOOP}),
    }
    made: dict[str, Json] = {}
    for name, (task, asked) in flown.items():
        folder = tmp_path_factory.mktemp("runs") / name
        fly(folder, task, "teacher", episodes=1, **asked)
        recorded = read_recorded(folder)
        made[name] = replay_of(recorded.flight(0), find_task(task), recorded.asked)
    return made


@contextmanager
def shown(browser: Browser, folder: Path, *replays: Json, **options: Any) -> Generator[Watched]:
    """Mount a player for each replay in a page that is read from disk."""
    texts = [json.dumps(replay).replace("<", "\\u003c") for replay in replays]
    places = "".join(f'<script type="application/json">{text}</script><div class="place"></div>' for text in texts)
    page = folder / "page.html"
    page.write_text(
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Replay</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{player_styles()} body {{ padding: 1rem }}</style>"
        f'<script type="importmap">{import_map(modules())}</script><main>{places}</main>'
        f'<script type="module">{INSTRUMENTS}</script></html>'
    )
    with watched_page(browser, **{"viewport": {"width": 1100, "height": 900}, **options}) as watched:
        watched.page.goto(page.as_uri())
        watched.page.wait_for_function("window.players")
        yield watched


def fact(page: Page | Locator, name: str) -> str:
    """What the readout says of ``name``, with its remark."""
    row = page.locator(".ot-facts > div", has=page.locator(f"dt:text-is('{name}')"))
    return " ".join(row.locator("dd > span").all_inner_texts()).strip()


def number(said: str) -> float:
    return float(said.replace(MINUS, "-"))


def drawn_last(page: Page) -> list[list[float] | None]:
    return page.evaluate("window.drawn.at(-1)")


def scrub(page: Page | Locator) -> Locator:
    return page.get_by_role("slider", name="Tick")


def check(page: Page, replay: Json, tick: int) -> None:
    """Compare everything that is shown of a tick with the replay."""
    ticks, names = replay["ticks"], [*replay["actions"], replay["noop_name"]]
    assert page.locator(".ot-tick").inner_text() == f"tick {tick}"
    assert page.locator(".ot-time").inner_text() == f"{tick * replay['tick_ms'] / 1e3:.2f} s"
    assert scrub(page).input_value() == str(tick)
    assert fact(page, "action") == names[ticks["action"][tick]]
    wanted, agrees = replay["teacher"][tick], replay["teacher"][tick] == ticks["action"][tick]
    assert fact(page, "teacher") == names[wanted] + ("" if agrees else " disagrees")
    assert fact(page, "source").split()[0] == SOURCES[ticks["source"][tick]]
    age = ticks["age"][tick]
    assert fact(page, "observation age").split()[0] == (NOTHING if age is None else str(age))
    reward = number(fact(page, "reward so far"))
    assert reward == pytest.approx(sum(ticks["reward"][: tick + 1]), abs=0.06)
    for feature, value in zip(replay["features"], ticks["state"][tick], strict=True):
        label = f"{feature['name']} ({feature['unit']})" if feature["unit"] else feature["name"]
        told = number(fact(page, label))
        assert told == pytest.approx(value, abs=0.51 * 10 ** -feature["decimals"])
    arrived = [a for a in replay["answers"] if a["collected"] is not None and a["collected"] <= tick]
    assert fact(page, "on") == (f"tick {arrived[-1]['tick']}{APOSTROPHE}s state" if arrived else NOTHING)
    assert drawn_last(page) == ticks["poses"][tick]


def test_jumps_go_where_the_flight_went_wrong(chromium: Browser, tmp_path: Path, replays: dict[str, Json]) -> None:
    replay = replays["crash"]
    marks = replay["marks"]
    assert marks["first_late"] is not None
    assert marks["first_disagreement"] is not None
    with shown(chromium, tmp_path, replay) as watched:
        page = watched.page
        page.evaluate(f"players[0].seek({replay['steps'] - 3})")
        check(page, replay, replay["steps"] - 3)
        page.get_by_role("button", name="First late tick").click()
        check(page, replay, marks["first_late"])
        page.get_by_role("button", name="First disagreement").click()
        check(page, replay, marks["first_disagreement"])
        page.get_by_role("button", name="End").click()
        assert page.locator(".ot-tick").inner_text() == f"end, after {replay['steps']} ticks"
        assert drawn_last(page) == replay["ticks"]["poses"][-1]
        assert page.get_by_role("button", name="First invalid answer").count() == 0
        assert page.locator(".ot-ended").inner_text() == replay["failure"] == "crash"
        screenshot(watched, "crash")


@pytest.mark.parametrize("flight", ["crash", "solved", "perfect", "noop"])
def test_every_tick_that_is_stepped_to_is_the_records(
    chromium: Browser, tmp_path: Path, replays: dict[str, Json], flight: str
) -> None:
    replay = replays[flight]
    with shown(chromium, tmp_path, replay) as watched:
        page = watched.page
        back, forward = (
            page.get_by_role("button", name="Back one tick"),
            page.get_by_role("button", name="Forward one tick"),
        )
        check(page, replay, 0)
        back.click()
        check(page, replay, 0)
        forward.click()
        forward.click()
        check(page, replay, 2)
        back.click()
        check(page, replay, 1)
        page.keyboard.press("ArrowRight")  # the button has the focus
        check(page, replay, 2)
        page.keyboard.press("Shift+ArrowRight")
        page.keyboard.press("ArrowLeft")
        here = min(12, replay["steps"]) - 1
        check(page, replay, here)
        scrub(page).focus()
        page.keyboard.press("ArrowLeft")
        check(page, replay, here - 1)
        page.keyboard.press("End")
        assert scrub(page).input_value() == str(replay["steps"])
        page.keyboard.press("ArrowRight")
        assert scrub(page).input_value() == str(replay["steps"])
        page.keyboard.press("Home")
        check(page, replay, 0)


def test_scrubbing_and_pointing_at_the_strip_go_to_that_tick(
    chromium: Browser, tmp_path: Path, replays: dict[str, Json]
) -> None:
    replay = replays["solved"]
    with shown(chromium, tmp_path, replay) as watched:
        page = watched.page
        scrub(page).fill("77")
        check(page, replay, 77)
        strip = page.locator(".ot-strip-ticks")
        box = strip.bounding_box()
        assert box is not None
        for tick in (0, 31, replay["steps"] - 1):
            page.mouse.click(box["x"] + (tick + 0.5) / replay["steps"] * box["width"], box["y"] + 10)
            check(page, replay, tick)
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 10)
        page.mouse.down()
        page.mouse.move(box["x"] - 50, box["y"] + 10)
        page.mouse.up()
        check(page, replay, 0)


def test_it_plays_smoothly_to_its_end_and_again(chromium: Browser, tmp_path: Path, replays: dict[str, Json]) -> None:
    replay = replays["crash"]
    poses = replay["ticks"]["poses"]
    with shown(chromium, tmp_path, replay) as watched:
        page = watched.page
        page.evaluate("window.drawn.length = 0")
        page.get_by_role("button", name="Play").click()
        assert page.get_by_role("button", name="Pause").is_visible()
        page.wait_for_function("document.querySelector('.ot-tick').textContent.startsWith('end')")
        assert page.get_by_role("button", name="Play").is_visible()
        hull = [drawn[-1] for drawn in page.evaluate("window.drawn")]
        way = [pose[-1] for pose in poses]
        assert hull[-1] == way[-1]
        between = [pose for pose in hull if pose not in way]
        assert len(between) > 10, "frames between two ticks are drawn between them"
        for x, y, _ in between:
            assert any(
                min(a[0], b[0]) <= x <= max(a[0], b[0]) and min(a[1], b[1]) <= y <= max(a[1], b[1])
                for a, b in pairwise(way)
            )
        page.get_by_role("button", name="Play").click()
        page.wait_for_function("/^tick/.test(document.querySelector('.ot-tick').textContent)")
        page.get_by_role("button", name="Pause").click()
        tick = int(scrub(page).input_value())
        page.get_by_role("button", name="Back one tick").click()
        assert int(scrub(page).input_value()) == tick, "stepping back from between two ticks goes to the one before"
        check(page, replay, tick)


def test_a_slower_speed_shows_more_frames_a_tick(chromium: Browser, tmp_path: Path, replays: dict[str, Json]) -> None:
    with shown(chromium, tmp_path, replays["crash"]) as watched:
        page = watched.page
        speeds = page.get_by_label("Speed").locator("option").evaluate_all("all => all.map((o) => +o.value)")
        assert speeds == [0.125, 0.25, 0.5, 1, 2, 4]

        def frames(speed: str) -> int:
            page.get_by_label("Speed").select_option(speed)
            page.evaluate("players[0].seek(0); window.drawn.length = 0; players[0].play()")
            page.wait_for_function("document.querySelector('.ot-tick').textContent.startsWith('end')")
            return page.evaluate("window.drawn.length")

        assert frames("0.5") > 2 * frames("4")


def test_a_press_of_space_or_a_click_on_the_picture_plays_and_pauses(
    chromium: Browser, tmp_path: Path, replays: dict[str, Json]
) -> None:
    with shown(chromium, tmp_path, replays["perfect"]) as watched:
        page = watched.page
        scrub(page).focus()
        for act in (lambda: page.keyboard.press("Space"), lambda: page.locator("canvas").click()):
            act()
            assert page.get_by_role("button", name="Pause").is_visible()
            act()
            assert page.get_by_role("button", name="Play").is_visible()
        page.get_by_role("button", name="Play").focus()
        page.keyboard.press("Space")
        assert page.get_by_role("button", name="Pause").is_visible(), "a button is pressed once, not twice"
        page.evaluate("players[0].seek(7)")
        page.get_by_role("button", name="Forward one tick").focus()
        page.keyboard.press("Space")
        assert scrub(page).input_value() == "8", "a button does what it says"
        assert page.get_by_role("button", name="Play").is_visible()


def test_a_screen_reader_is_told_when_it_stands_still(
    chromium: Browser, tmp_path: Path, replays: dict[str, Json]
) -> None:
    replay = replays["crash"]
    with shown(chromium, tmp_path, replay) as watched:
        page = watched.page
        tick = replay["marks"]["first_disagreement"]
        page.get_by_role("button", name="First disagreement").click()
        action, wanted = (replay["actions"][n] for n in (replay["ticks"]["action"][tick], replay["teacher"][tick]))
        said = f"Tick {tick}: {action}, {SOURCES[replay['ticks']['source'][tick]]}; the teacher: {wanted}"
        page.wait_for_function("said => document.querySelector('[role=status]').textContent === said", arg=said)
        assert scrub(page).get_attribute("aria-valuetext") == f"{tick} of {replay['steps']}, {tick * 0.02:.2f} seconds"
        assert (
            page.get_by_role("region", name=re.compile("Replay of lunarlander flown by teacher, seed 0")).count() == 1
        )
        counts = {name: replay["ticks"]["source"].count(letter) for letter, name in SOURCES.items()}
        label = page.locator(".ot-strip-ticks").get_attribute("aria-label") or ""
        against = sum(a != b for a, b in zip(replay["teacher"], replay["ticks"]["action"], strict=True))
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        assert label == f"{replay['steps']} ticks: {told}; the teacher disagrees at {against}"


def test_the_strip_shows_each_tick_by_where_its_action_came_from(
    chromium: Browser, tmp_path: Path, replays: dict[str, Json]
) -> None:
    replay = replays["noop"]
    with shown(chromium, tmp_path, replay) as watched:
        runs: list[tuple[str, float, float]] = watched.page.evaluate(
            "[...document.querySelectorAll('.ot-run')].map((r) => [r.getAttribute('class'), +r.getAttribute('x'), "
            "+r.getAttribute('width')])"
        )
        letters = {"ot-fresh": "F", "ot-planned": "P", "ot-held": "H", "ot-noop": "N"}
        strip = ["?"] * replay["steps"]
        for style, start, width in runs:
            (letter,) = [letters[name] for name in style.split() if name in letters]
            assert ("ot-run-late" in style.split()) == (letter in "HN")
            strip[int(start) : int(start + width)] = letter * int(width)
        assert "".join(strip) == replay["ticks"]["source"]
        marked: list[tuple[float, float]] = watched.page.evaluate(
            "[...document.querySelectorAll('.ot-disagrees')].map((r) => [+r.getAttribute('x'), "
            "+r.getAttribute('width')])"
        )
        against = {tick for start, width in marked for tick in range(int(start), int(start + width))}
        pairs = zip(replay["teacher"], replay["ticks"]["action"], strict=True)
        assert against == {tick for tick, (wanted, action) in enumerate(pairs) if wanted != action}


HOSTILE = "<img src=x onerror=\"document.title='broken in'\"></script><script>document.title='broken in'</script>"


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """A flight whose answers are a language model's, one of them no action, with text that tries to be more."""
    folder = tmp_path_factory.mktemp("runs") / "spoken"
    flown = fly(folder, "cartpole", "teacher", latency="0", episodes=1).flights[0]
    good = AnswerRecord(0, -20.0, 19.0, 1, True, text="1", logprobs=(-2.302585, -0.105361))
    bad = AnswerRecord(4, 60.0, 33.0, None, False, text=HOSTILE, failure="prose")
    said = {1: (good,), 6: (bad,)}
    ticks = [tick._replace(answers=said.get(tick.tick, ())) for tick in flown.ticks]
    asked = {"task": "cartpole", "controller": HOSTILE}
    return replay_of(Flight(flown.episode, ticks), CartPole(), asked)


def test_what_a_model_said_is_shown_as_text(chromium: Browser, tmp_path: Path, spoken: Json) -> None:
    with shown(chromium, tmp_path, spoken) as watched:
        page = watched.page
        page.evaluate("players[0].seek(3)")
        assert page.locator(".ot-logprob-share").all_inner_texts() == ["10.0 %", "90.0 %"]
        assert page.locator(".ot-logprobs .ot-chosen .ot-logprob-name").inner_text() == "right"
        assert page.get_by_label("Raw answer").inner_text() == "1"
        page.get_by_role("button", name="First invalid answer").click()
        assert page.locator(".ot-tick").inner_text() == "tick 6"
        assert page.get_by_label("Raw answer").inner_text() == HOSTILE
        assert fact(page, "answer") == "no action prose"
        assert page.locator(".ot-logprob-share").all_inner_texts() == [NOTHING, NOTHING]
        assert HOSTILE in page.locator(".ot-who").inner_text()
        assert page.title() == "Replay"
        assert page.locator("img").count() == 0


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_it_fits_a_phone_and_a_screen_in_both_themes(
    chromium: Browser, tmp_path: Path, replays: dict[str, Json], spoken: Json, width: int, scheme: str
) -> None:
    size = {"width": width, "height": 780}
    with shown(chromium, tmp_path, replays["crash"], spoken, viewport=size, color_scheme=scheme) as watched:
        page = watched.page
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for control in page.locator(".ot-player").first.locator("button, input, select").all():
            box = control.bounding_box()
            assert box is not None
            assert box["height"] >= 32
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        screenshot(watched, f"player-{scheme}-{width}")


def test_players_on_one_page_do_not_disturb_each_other(
    chromium: Browser, tmp_path: Path, replays: dict[str, Json]
) -> None:
    with shown(chromium, tmp_path, replays["crash"], replays["perfect"]) as watched:
        page = watched.page
        first, second = (page.locator(".place").nth(place) for place in (0, 1))
        scrub(second).fill("123")
        assert scrub(first).input_value() == "0"
        first.get_by_role("button", name="Forward one tick").click()
        assert scrub(first).input_value() == "1"
        assert scrub(second).input_value() == "123"
        page.evaluate("players[1].play(); players[1].destroy(); players[0].seek(5)")
        assert second.inner_text() == ""
        assert scrub(first).input_value() == "5"


def test_it_begins_by_itself_only_where_motion_is_welcome(
    chromium: Browser, tmp_path: Path, replays: dict[str, Json]
) -> None:
    begin = """async () => {
      const { mountPlayer } = await import("ontick/player.js");
      const text = document.querySelector("script[type='application/json']").textContent;
      mountPlayer(document.querySelector(".place"), JSON.parse(text), { autoplay: true });
    }"""
    waits: dict[str, Callable[[Page], object]] = {
        "no-preference": lambda page: page.wait_for_function("+document.querySelector('.ot-scrub').value > 2"),
        "reduce": lambda page: page.get_by_role("button", name="Play").wait_for(),
    }
    for motion, wait in waits.items():
        with shown(chromium, tmp_path, replays["perfect"], reduced_motion=motion) as watched:
            watched.page.evaluate(begin)
            wait(watched.page)
            playing = watched.page.get_by_role("button", name="Pause").count() == 1
            assert playing == (motion == "no-preference")


def test_an_unknown_tasks_flight_and_one_without_a_teacher_play_too(chromium: Browser, tmp_path: Path) -> None:
    flight = fly(tmp_path / "run", "cartpole", "none", episodes=1).flights[0]
    replay = replay_of(flight, None, {"task": "mine", "controller": "none"})
    with shown(chromium, tmp_path, {**replay, "notes": ["task 'mine' cannot be found"]}) as watched:
        page = watched.page
        page.get_by_role("button", name="End").click()
        assert page.locator(".ot-tick").inner_text() == f"end, after {replay['steps']} ticks"
        assert page.locator(".ot-note").all_inner_texts() == ["task 'mine' cannot be found"]
        assert page.locator("dt", has_text="teacher").count() == 0
        assert drawn_last(page) == replay["ticks"]["poses"][-1]
        screenshot(watched, "gauges")
