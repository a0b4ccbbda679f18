"""`ontick watch` as it is: a server, its lanes' processes, and tabs that fly them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from watching import FLOWN, PATIENCE_S, Tab, Watch, controller, is_alive, processes, tab, watching
from websockets.asyncio.client import connect as connect_async

from ontick.cli import main
from ontick.controllers.scripted import Teacher
from ontick.late import LateRule
from ontick.latency import Replay
from ontick.loop import VirtualTime, fly
from ontick.records import INTERRUPTED, Flight, Json, Run, Tick, read_run
from ontick.tasks import find_task
from ontick.viewer.browser import open_browser
from ontick.viewer.server import NICER_BY


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    with watching(tmp_path_factory.mktemp("runs"), "short", controller("Counts"), controller("Sleeps")) as watch:
        yield watch


def runs(watch: Watch) -> list[Run]:
    """Return what has been recorded, the newest last."""
    return [read_run(folder) for folder in sorted(watch.runs.iterdir())]


def lines(run: Run) -> list[Json]:
    return [json.loads(line) for line in (run.folder / "episodes.jsonl").read_text().splitlines()]


def schedule(flight: Flight) -> list[tuple[Any, ...]]:
    return [(t.action, t.source, t.observation_age_ticks, t.observation.tolist(), t.reward) for t in flight.ticks]


def test_a_flight_is_what_eval_would_have_recorded(watch: Watch) -> None:
    """Its own latencies give it back under the virtual clock, tick for tick."""
    with tab(watch) as page:
        page.fly("teacher", task="lunarlander", seed=11, delay_ms=120, late="noop")
        before = len(page.heard)  # until its scene, a tab hears what the server flew from its start
        end = page.told("ended")
        ticks = [message for message in page.heard[before:] if message["say"] == "tick"]
    (run,) = [run for run in runs(watch) if run.run["asked"]["task"] == "lunarlander"]
    asked = run.run["asked"]
    assert (asked["verb"], asked["controller"], asked["late"], asked["delay"]) == ("watch", "teacher", "noop", "120")
    flown: Flight = next(run.flights())
    assert (end["steps"], end["outcome"], end["seed"]) == (len(flown.ticks), flown.episode.outcome, 11)
    assert end["reward"] == pytest.approx(flown.episode.reward, abs=1e-3)
    task = find_task("lunarlander")
    again = fly(
        task, task.make(), Teacher(task), VirtualTime(Replay.of(flown)), late=LateRule.NOOP, seed=11, in_flight=1
    )
    assert schedule(again) == schedule(flown)
    assert again.episode.outcome == flown.episode.outcome
    # What the page was told is what is recorded.
    env = task.make()
    for told in ticks:
        tick: Tick = flown.ticks[int(told["tick"])]
        assert (told["action"], told["source"]) == (tick.action, tick.source)
        assert told["teacher"] == task.teacher(env, tick.observation)
        assert told["reward"] == pytest.approx(sum(t.reward for t in flown.ticks[: told["tick"] + 1]), abs=1e-3)
    assert [told["tick"] for told in ticks] == sorted({told["tick"] for told in ticks})
    assert ticks[-1]["counts"]["fresh"] == flown.episode.fresh_ticks
    assert ticks[-1]["decision_ms"]["p50"] >= 120


def test_a_tab_that_comes_late_sees_what_flies(watch: Watch) -> None:
    with tab(watch) as page:
        scene = page.fly("none", task="long", late="hold", delay_ms=0)
        tick = page.told("tick")
        with tab(watch) as late:
            hello = late.told("hello")
            assert hello["settings"]["task"] == "long"
            assert hello["lanes"][0] == {"state": "flying", "note": None, "you": False, "talks": None}
            assert hello["lanes"][1]["state"] == "empty"
            assert late.told("scene") == scene
            assert late.told("tick")["tick"] >= tick["tick"]
        assert {task["name"] for task in hello["tasks"]} >= {"short", "long", "cartpole", "lunarlander"}
        cartpole = next(task for task in hello["tasks"] if task["name"] == "cartpole")
        assert cartpole["keys"] == {"ArrowLeft": 0, "ArrowRight": 1}
        assert {"teacher", "none", "random", "you", controller("Counts")} <= set(hello["controllers"])
        page.say("stop")
        end = page.told("ended")
    assert end["outcome"] == INTERRUPTED
    assert runs(watch)[-1].episodes[-1].outcome == INTERRUPTED
    assert not end["success"]
    assert "table" not in {message["say"] for message in page.heard}  # an interrupted episode counts for nothing


def test_every_control_acts_in_flight_and_is_recorded(watch: Watch) -> None:
    def flying(page: Tab, **what: Any) -> Json:
        return page.until(lambda m: m["say"] == "tick" and what.items() <= m.items())

    with tab(watch) as page:
        page.fly("none", task="long", late="hold")
        flying(page, source="held", you=False)
        page.say("set", settings={"late": "noop"})
        flying(page, source="noop")
        page.say("seize", lane=0)
        page.told("lane", you=True)
        page.say("key", lane=0, action=2)
        flying(page, source="fresh", action=2, you=True, age=0)
        page.say("key", lane=0, action=None)
        flying(page, source="noop", you=True)
        page.say("key", lane=0, action=3)  # the task's no-op, beyond its actions: no key
        flying(page, source="noop", you=True)
        page.say("key", lane=0, action=1)
        flying(page, source="fresh", action=1)
        page.say("set", settings={"delay_ms": 200})
        page.until(lambda m: m["say"] == "tick" and m["source"] == "fresh" and m["age"] >= 9)
        page.say("release", lane=0)
        page.told("lane", you=False)
        flying(page, source="noop", you=False)
        page.say("stop")
        page.told("ended")
    (label,) = lines(runs(watch)[-1])
    assert label["you_from_tick"] > 0
    changes = label["changes"]
    assert [next(name for name in change if name != "tick") for change in changes] == ["late", "you", "delay_ms", "you"]
    assert [change["tick"] for change in changes] == sorted(change["tick"] for change in changes)
    assert label["late"] == "hold"


def test_a_paused_stage_stands_still_and_a_slow_one_is_labelled(watch: Watch) -> None:
    with tab(watch) as page:
        page.fly(controller("Sleeps"), task="long", late="hold", delay_ms=0)
        page.told("tick")
        page.say("set", settings={"speed": 0})
        page.told("settings")
        time.sleep(0.3)
        page.settled()
        stands = [message["tick"] for message in page.heard if message["say"] == "tick"][-1]
        time.sleep(0.3)
        page.settled()
        assert [message["tick"] for message in page.heard if message["say"] == "tick"][-1] == stands
        page.say("set", settings={"speed": 0.25})
        page.until(lambda m: m["say"] == "tick" and m["tick"] > stands + 10)
        slow = page.told("tick")
        assert slow["decision_ms"]["p50"] >= 30  # as in real time
        page.say("set", settings={"speed": 0})
        page.say("stop")  # a stage that stands still can be left
        assert page.told("ended")["outcome"] == INTERRUPTED
        page.say("set", settings={"speed": 1})
    (label,) = lines(runs(watch)[-1])
    assert [change["speed"] for change in label["changes"]][:2] == [0, 0.25]


def test_two_lanes_fly_the_same_seed(watch: Watch) -> None:
    with tab(watch) as page:
        page.fly("teacher", "none", task="cartpole", seed=5)
        page.once("ended", lane=1)
        page.say("stop")
        page.told("ended", lane=0)
        scenes = {m["lane"]: m for m in page.heard if m["say"] == "scene"}
        assert {(scene["task"], scene["seed"], scene["episode"]) for scene in scenes.values()} == {
            ("cartpole", 5, scenes[0]["episode"])
        }
        assert [scenes[lane]["controller"] for lane in (0, 1)] == ["teacher", "none"]
        first, second = sorted(runs(watch)[-2:], key=lambda run: run.folder.name[-1])
        assert [run.run["asked"]["controller"] for run in (first, second)] == ["teacher", "none"]
        (left,), (right,) = first.flights(), second.flights()
        assert np.array_equal(left.ticks[0].observation, right.ticks[0].observation)
        page.fly("none", task="short")
        states = {m["lane"]: m["state"] for m in page.heard if m["say"] == "lane"}
        assert states[1] == "empty"  # one lane again
        page.told("ended")


def test_the_next_seed_follows_by_itself_in_the_same_run(watch: Watch) -> None:
    with tab(watch) as page:
        page.say("fly", settings={"controllers": ["none"], "task": "cartpole", "seed": 40, "go_on": True})
        page.told("scene", seed=40)
        page.told("scene", seed=41)
        assert page.told("ended", seed=41)["number"] == 1
        page.say("set", settings={"go_on": False})
        page.say("stop")
        page.settled()
    run = runs(watch)[-1]
    assert [episode.seed for episode in run.episodes][:2] == [40, 41]


def test_a_person_is_in_the_table_with_the_measured_reaction_time(watch: Watch) -> None:
    with tab(watch) as page:
        page.say("reaction", ms=[240, 250, 260])
        page.fly("you", task="short", late="noop")
        page.until(lambda m: m["say"] == "tick" and m["you"])
        page.say("key", lane=0, action=1)
        end = page.told("ended")
        assert end["you"]
        rows = page.told("table")["rows"]
    row = next(row for row in rows if row["who"] == "you" and row["task"] == "short")
    assert (row["you"], row["decision_p50_ms"], row["episodes"], row["late"]) == (True, 250.0, 1, "noop")
    assert runs(watch)[-1].run["asked"]["controller"] == "you"
    assert lines(runs(watch)[-1])[0]["you_from_tick"] == 0


def test_the_key_of_a_tab_that_has_gone_is_not_held_for_ever(watch: Watch) -> None:
    with tab(watch) as page:
        page.fly("you", task="long", late="noop")
        with tab(watch) as other:
            other.say("key", lane=0, action=1)
            page.until(lambda m: m["say"] == "tick" and m["action"] == 1)
        page.until(lambda m: m["say"] == "tick" and m["source"] == "noop")
        page.say("stop")
        page.told("ended")


def test_a_controller_that_does_not_load_or_raises_ends_its_lane_and_no_more(tmp_path: Path) -> None:
    failing = controller("DoesNotLoad"), controller("Raises")
    with watching(tmp_path / "runs", "short", *failing) as watch, tab(watch) as page:
        page.until(lambda m: {lane["state"] for lane in page.lanes().values()} == {"failed"})
        notes = [lane["note"] for _, lane in sorted(page.lanes().items())]
        assert "no weights here" in notes[0]
        assert "lost the thread" in notes[1]
        assert not any("\n" in note for note in notes)
        page.fly("none", task="short", seed=3)
        page.told("ended", lane=0)


def test_a_process_that_crashes_ends_its_lane_and_no_more(tmp_path: Path) -> None:
    with watching(tmp_path / "runs", "short", controller("Aborts"), controller("Counts")) as watch, tab(watch) as page:
        assert page.told("lane", lane=0, state="failed")["note"] == "its process crashed (SIGABRT)"
        page.say("set", settings={"go_on": False})
        page.once("ended", lane=1)  # the other is not concerned
        page.fly("none", task="short", seed=3)  # and the lane flies again
        page.told("ended", lane=0)


def test_a_controller_that_hangs_is_stopped_and_what_it_flew_recorded(tmp_path: Path) -> None:
    with watching(tmp_path / "runs", "long", controller("Hangs")) as watch, tab(watch) as page:
        page.until(lambda m: m["say"] == "tick" and m["tick"] > 10)
        page.say("stop")
        assert page.told("ended")["outcome"] == INTERRUPTED
        (run,) = runs(watch)
        assert run.episodes[0].steps > 10
        page.fly("none", task="short")
        page.told("ended")


def test_a_task_that_cannot_be_drawn_is_flown_and_says_why(watch: Watch) -> None:
    with tab(watch) as page:
        page.say("fly", settings={"controllers": ["none"], "task": "unseen", "go_on": False})
        assert "no picture of this" in page.until(lambda m: m["say"] == "lane" and m["note"])["note"]
        assert page.told("ended")["steps"] == 50


def test_a_browser_that_goes_away_in_flight_changes_nothing(watch: Watch) -> None:
    with tab(watch) as page:
        page.fly(controller("Counts"), task="short", seed=77)
        page.told("tick")
    with tab(watch) as page:
        page.until(lambda m: m["say"] == "ended" and m["seed"] == 77)
    run = runs(watch)[-1]
    (flown,) = run.flights()
    assert [tick.tick for tick in flown.ticks] == list(range(50))
    assert flown.episode.outcome == "counted"


def test_messages_that_make_no_sense_are_refused_to_who_sent_them(watch: Watch) -> None:
    with tab(watch) as page, tab(watch) as other:
        page.fly("none", task="short")
        page.send("{")
        page.send(b"\x00\xff")
        page.say("dance")
        page.say("fly", settings={"task": "cartpol"})
        page.say("fly", settings={"controllers": [f"python:{FLOWN}:Prints"]})
        page.say("set", settings={"delay_ms": -1})
        page.say("key", lane=0, action=999)
        page.say("seize", lane=1)
        page.settled()
        why = [message["why"] for message in page.heard if message["say"] == "refused"]
        assert len(why) == 8
        assert "did you mean 'cartpole'" in why[3]
        assert "named on the command line" in why[4]
        assert not any("\n" in line or "Traceback" in line for line in why)
        other.settled()
        assert "refused" not in {message["say"] for message in other.heard}
        other.send(json.dumps({"do": "fly", "settings": {"task": "x" * 20_000}}))  # too long: this tab is cut off
        page.settled()
        page.fly("none", task="short")
        page.told("ended")


def test_text_from_a_model_stays_text(watch: Watch) -> None:
    with tab(watch) as page:
        page.fly(controller("Counts"), task="short")
        told = page.until(lambda m: m["say"] == "tick" and m["answer"] is not None)
        assert told["answer"]["text"] == "<b>&amp; words</b>"
        page.told("ended")


def test_runs_can_be_looked_at_again_and_paths_cannot(watch: Watch) -> None:
    with tab(watch) as page:
        page.fly("none", task="cartpole", seed=8)
        end = page.told("ended")
    status, listing = get(watch, "runs")
    assert status == 200
    assert listing["folder"] == str(watch.runs)
    newest = listing["runs"][0]
    assert newest["id"] == end["run"]
    status, run = get(watch, f"runs/{end['run']}")
    assert (status, run["id"], run["episodes"][end["number"]]["seed"]) == (200, end["run"], 8)
    status, replay = get(watch, f"runs/{end['run']}/{end['number']}")
    assert (status, replay["steps"], replay["task"]) == (200, end["steps"], "cartpole")
    for wrong in (
        "runs/nowhere",
        f"runs/{end['run']}/99",
        "runs/..%2f..",
        f"runs/{end['run']}/x",
        "page/..%2fguard.py",
    ):
        status, answer = get(watch, wrong)
        assert status == 404
        assert list(answer) == ["error"]
        assert "\n" not in answer["error"]


def get(watch: Watch, path: str, head: tuple[str, ...] = (), prefix: str | None = None) -> tuple[int, Any]:
    """Ask over a bare socket; return the status and what is said, as JSON where it is, else with the headers."""
    address = f"/{watch.token}/{path}" if prefix is None else f"{prefix}{path}"
    host = () if any(one.startswith("Host") for one in head) else (f"Host: {watch.address[0]}:{watch.address[1]}",)
    close = () if any(one.startswith("Connection") for one in head) else ("Connection: close",)
    with socket.create_connection(watch.address, timeout=PATIENCE_S) as line:
        line.sendall("\r\n".join([f"GET {address} HTTP/1.1", *host, *close, *head, "", ""]).encode())
        said = b"".join(iter(lambda: line.recv(1 << 16), b""))
    top, _, body = said.partition(b"\r\n\r\n")
    text = body.decode()
    return int(top.split()[1]), json.loads(text) if b"application/json" in top else (top.decode(), text)


def test_the_page_and_its_files_are_served_with_a_strict_policy(watch: Watch) -> None:
    status, (top, text) = get(watch, "")
    assert status == 200
    assert "<title>Ontick</title>" in text
    assert "script-src 'self' 'sha256-" in top
    assert "no-store" in top
    for name in ("watch.js", "player.js", "theme.css"):
        status, (top, text) = get(watch, f"page/{name}")
        assert status == 200
        assert "nosniff" in top
        assert text
    assert get(watch, "page/nothing.js")[0] == 404


UPGRADE = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")


@pytest.mark.parametrize(
    ("head", "prefix"),
    [
        (("Host: evil.example:{port}", "Origin: http://evil.example:{port}"), None),
        (("Origin: http://evil.example",), None),
        (("Origin: http://localhost:{port}",), None),
        (("Origin: null",), None),
        ((), None),
        (("Origin: {origin}",), "/wrong-token/"),
        (("Origin: {origin}",), "/"),
    ],
)
def test_no_other_page_can_open_the_websocket(watch: Watch, head: tuple[str, ...], prefix: str | None) -> None:
    filled = tuple(line.format(port=watch.address[1], origin=watch.origin) for line in head)
    status, _ = get(watch, "ws", (*filled, *UPGRADE, "Connection: Upgrade"), prefix)
    assert status == 403


def test_requests_without_the_token_or_by_another_name_are_refused(watch: Watch) -> None:
    port = watch.address[1]
    for path, head in (
        ("/", ()),
        ("/runs", ()),
        ("/wrong/runs", ()),
        (f"/{watch.token}/runs", ("Host: evil.example",)),
        (f"/{watch.token}/runs", (f"Host: 127.0.0.1:{port + 1}",)),
    ):
        status, said = get(watch, "", head, prefix=path)
        assert status == 403
        assert "`ontick watch` printed" in said[1]
        assert watch.token not in said[1]
    assert get(watch, "", (), prefix=f"/{watch.token}")[0] == 307  # where the slash is missing


def test_a_tab_that_never_reads_stops_no_one(watch: Watch) -> None:
    host = f"{watch.address[0]}:{watch.address[1]}"
    with socket.socket() as silent, tab(watch) as page:
        silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        silent.connect(watch.address)
        head = [f"GET /{watch.token}/ws HTTP/1.1", f"Host: {host}", f"Origin: {watch.origin}", "Connection: Upgrade"]
        silent.sendall("\r\n".join([*head, *UPGRADE, "", ""]).encode())
        for seed in (1, 2, 3):
            page.fly(controller("Counts"), task="short", seed=seed)
            page.told("ended")
        (flown,) = runs(watch)[-1].flights()
        assert len(flown.ticks) == 50


def test_a_hundred_tabs_change_nothing(watch: Watch) -> None:
    address = watch.url.replace("http", "ws", 1) + "ws"

    async def look(ready: asyncio.Semaphore) -> int:
        """Look on until the episode of seed 100 has ended; return how many of its ticks were heard."""
        ticks = 0
        async with connect_async(address, origin=watch.origin, max_size=None, compression=None) as line:  # pyright: ignore[reportArgumentType]
            ready.release()
            scene = False
            async for text in line:
                message = json.loads(text)
                scene = scene or (message["say"] == "scene" and message["seed"] == 100)
                ticks += scene and message["say"] == "tick"
                if scene and message["say"] == "ended":
                    return ticks
        raise AssertionError("cut off")

    async def hundred() -> list[int]:
        ready = asyncio.Semaphore(0)
        tabs = [asyncio.create_task(look(ready)) for _ in range(100)]
        for _ in tabs:
            await ready.acquire()
        with tab(watch) as page:
            page.say("fly", settings={"controllers": [controller("Counts")], "task": "short", "seed": 100})
            return await asyncio.wait_for(asyncio.gather(*tabs), PATIENCE_S)

    heard = asyncio.run(hundred())
    assert all(ticks >= 1 for ticks in heard)  # at least the last
    assert sum(heard) < 100 * 50  # and not all of them
    (flown,) = runs(watch)[-1].flights()
    assert [tick.tick for tick in flown.ticks] == list(range(50))
    assert flown.episode.outcome == "counted"


def test_what_a_controller_prints_is_no_result(tmp_path: Path) -> None:
    with watching(tmp_path / "runs", "short", controller("Prints")) as watch, tab(watch) as page:
        page.say("set", settings={"go_on": False})
        page.told("ended")
        out, err = watch.end()
    assert out == ""
    assert "this is no result" in err


def test_ctrl_c_records_what_flies_and_leaves_no_process(tmp_path: Path) -> None:
    with watching(tmp_path / "runs", "long", controller("Counts"), "none") as watch:
        with tab(watch) as page:
            page.told("tick", lane=0)
            page.told("tick", lane=1)
            lanes = watch.lanes()
            assert len(lanes) == 2
            _, err = watch.end()
        assert watch.process.returncode == 130
        assert err.splitlines() == [f"ontick: stopped; what was flown is in {watch.runs}"]
        for run in runs(watch):
            assert [episode.outcome for episode in run.episodes] == [INTERRUPTED]
            assert run.summary is not None
        assert not any(map(is_alive, lanes))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_all_to_end_ends_it_too(tmp_path: Path, how: signal.Signals) -> None:
    with watching(tmp_path / "runs", "long", controller("Counts")) as watch:
        with tab(watch) as page:
            page.told("tick")
            watch.end(how)
        assert watch.process.returncode == 0
        assert runs(watch)[0].episodes[0].outcome == INTERRUPTED


def test_lanes_whose_server_is_killed_record_what_flies_and_end(tmp_path: Path) -> None:
    with watching(tmp_path / "runs", "long", controller("Counts")) as watch:
        with tab(watch) as page:
            page.told("tick")
            lanes = watch.lanes()
            watch.process.kill()
            watch.process.wait(PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while any(map(is_alive, lanes)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(is_alive, lanes))
        (run,) = runs(watch)
        assert [episode.outcome for episode in run.episodes] == [INTERRUPTED]
        assert run.summary is not None


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is that of a whole process")
def test_the_server_gives_way_and_its_lanes_do_not(watch: Watch) -> None:
    with tab(watch) as page:
        page.fly("none", task="short")
    nice = {int(pid): int(nice) for pid, _, _, nice, _ in processes() if nice.lstrip("-").isdigit()}
    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert nice[watch.process.pid] == min(own + NICER_BY, 19)
    assert [nice[lane] for lane in watch.lanes()] == [own]


def test_a_limit_on_requests_holds_on_the_stage_too(tmp_path: Path) -> None:
    with watching(tmp_path / "runs", "short", controller("Counts"), "--requests-per-minute", "300") as watch:
        with tab(watch) as page:
            page.say("set", settings={"go_on": False})
            page.told("ended")
        (flown,) = runs(watch)[0].flights()
    starts = sorted(answer.started_ms for answer in flown.answers())
    assert len(starts) > 2
    assert all(later - earlier >= 200 for earlier, later in pairwise(starts))


def test_another_address_says_what_it_exposes_and_allows_less(tmp_path: Path) -> None:
    with watching(tmp_path / "runs", "short", "none", "--host", "0.0.0.0") as watch, tab(watch) as page:
        assert watch.url.startswith("http://127.0.0.1:")
        page.say("fly", settings={"controllers": ["gguf:/etc/passwd"]})
        assert "named on the command line" in page.told("refused")["why"]
        assert set(page.heard[0]["controllers"]) == {"none", "teacher", "random", "you"}
        _, err = watch.end()
    assert len(err.splitlines()) == 3
    assert "every address of this machine" in err
    assert watch.token not in err


def test_the_browser_is_not_told_the_token_on_its_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def remember(address: str) -> bool:
        opened.append(address)
        return True

    monkeypatch.setattr("webbrowser.open", remember)
    url = "http://127.0.0.1:1/t&ken/"
    assert open_browser(url, tmp_path)
    (file,) = tmp_path.iterdir()
    assert opened == [file.as_uri()]
    assert file.stat().st_mode & 0o077 == 0
    assert "0; url=http://127.0.0.1:1/t&amp;ken/" in file.read_text()


def test_a_mistake_is_one_line_and_nothing_is_served(
    tmp_path: Path, watch: Watch, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, says in (
        (["--port", str(watch.address[1])], "let --port 0 pick a free one"),
        (["--port", "70000"], "give 1 to 65535"),
        (["--host", "no.such.host.invalid"], "leave it out for this machine only"),
        (["--replay", str(tmp_path)], "holds no run"),
        (["cartpol"], "did you mean 'cartpole'"),
        (["cartpole", "teacher", "none", "random"], "1 to 2 controllers"),
        (["--delay", "900"], "from 0 to 500"),
        (["--in-flight", "0"], "from 1 to 64"),
    ):
        assert main(["watch", *arguments, "--runs", str(tmp_path / "runs")]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        assert len(said.err.splitlines()) == 1
        assert says in said.err
    assert not (tmp_path / "runs").exists()


def test_runs_that_are_named_are_listed_with_those_recorded(tmp_path: Path) -> None:
    asked = ["eval", "cartpole", "none", "--episodes", "1", "--clock", "virtual", "--runs", str(tmp_path / "old")]
    assert main(asked) == 0
    with watching(tmp_path / "runs", "short", "none", "--replay", str(tmp_path / "old")) as watch:
        _, listing = get(watch, "runs")
        (row,) = listing["runs"]
        assert row["verb"] == "eval"
        status, replay = get(watch, f"runs/{row['id']}/0")
        assert (status, replay["controller"]) == (200, "none")
