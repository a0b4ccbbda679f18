"""Does the world keep its tick while a language model thinks in the same process? Ontick, and rtgym 0.16.

Lateness is taken with one instrument: the moment at which a world that does nothing else is told its action (Ontick
calls ``env.step``, rtgym calls ``send_control``), minus the moment at which that was due. On every side the same model
decides without a pause in a thread beside the loop. Each is flown as it comes: Ontick's loop sets the interpreter's
switch interval and collects no garbage; rtgym leaves both alone and has its default settings at this tick.

Ontick's tick k is due at ``k * 20 ms``. rtgym's is due when its own schedule says, which starts anew where a step has
timed out: of its two schedules that is the more favourable one, and the ratio uses it. What such a step loses for good
shows in the drift, which is taken against ``k * 20 ms`` on every side: the median lateness of the last tenth of the
ticks minus that of the first. rtgym has two environments; the bar's is the one that its documentation begins with,
``real-time-gym-v1``. The other, ``real-time-gym-ts-v1`` for programs with threads, is measured too.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
import threading
import time
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tyro

from bars import print_last_line
from machine import keep_to_two_cores, neighbours
from ontick.clock import NS_PER_MS, NS_PER_S, Clock, Nanoseconds
from ontick.controllers.base import Controller
from ontick.controllers.llm import LanguageModelController
from ontick.inflight.legal import Ask
from ontick.inflight.requests import Requests
from ontick.inflight.slots import Slots
from ontick.late import LateRule
from ontick.loop import WallTime, fly
from ontick.models.catalog import EMBEDDED, load_model
from ontick.prompts import Prompt
from still_world import TICK_S, StillEnv, StillInterface, StillTask, StillWorld

TICK_NS = round(TICK_S * NS_PER_S)
WARM_UP_TICKS = 50
MUST = {
    "ontick_p50_ms": "<= 0.1",
    "ontick_p99_ms": "<= 1.0",
    "ontick_abs_drift_ms": "<= 0.1",
    "p99_ratio": ">= 5.0",
}


class Punctuality(NamedTuple):
    """How one side kept its ticks, the warm-up left out."""

    p50_ms: float
    p99_ms: float
    max_ms: float
    drift_ms: float
    decisions: int

    def figures(self, side: str) -> dict[str, float | int]:
        """Return them by name."""
        return {f"{side}_{name}": value for name, value in self._asdict().items()}


def punctuality(told_ns: Sequence[Nanoseconds], due_ns: Sequence[Nanoseconds], decisions: int) -> Punctuality:
    """Compare when a world was told its actions with when that was due."""
    told, due = np.array(told_ns), np.array(due_ns)
    lateness_ms = (told - due)[WARM_UP_TICKS:] / NS_PER_MS
    since_first_ms = (told - due[0] - TICK_NS * np.arange(len(told)))[WARM_UP_TICKS:] / NS_PER_MS
    tenth = len(since_first_ms) // 10
    drift_ms = np.median(since_first_ms[-tenth:]) - np.median(since_first_ms[:tenth])
    p50, p99 = np.percentile(lateness_ms, (50, 99))
    return Punctuality(float(p50), float(p99), float(lateness_ms.max()), float(drift_ms), decisions)


@dataclass(frozen=True)
class WatchedWallTime(WallTime):
    """Real time that keeps note of when tick 0 was due."""

    tick_0_ns: list[Nanoseconds] = field(default_factory=list[Nanoseconds])

    def begin(self, ask: Ask, slots: Slots, in_flight: int, seed: int) -> tuple[Clock, Requests]:
        """Start the real clock."""
        clock, requests = super().begin(ask, slots, in_flight, seed)
        self.tick_0_ns.append(time.perf_counter_ns() - clock.now())
        return clock, requests


def fly_ontick(controller: Controller, ticks: int) -> tuple[Punctuality, dict[str, float | int]]:
    """Fly Ontick's loop; return also what it records of itself."""
    world, watched = StillWorld(ticks), WatchedWallTime()
    flight = fly(StillTask(), StillEnv(world, ticks), controller, watched, late=LateRule.HOLD, seed=0)
    p50, p99 = np.percentile([tick.lateness_ms for tick in flight.ticks[WARM_UP_TICKS:]], (50, 99))
    recorded = {
        "ontick_recorded_p50_ms": float(p50),
        "ontick_recorded_p99_ms": float(p99),
        "ontick_overrun_ticks": flight.episode.overrun_ticks,
    }
    due_ns = [watched.tick_0_ns[0] + k * TICK_NS for k in range(ticks)]
    return punctuality(world.told_ns, due_ns, sum(len(tick.answers) for tick in flight.ticks)), recorded


@dataclass
class Newest:
    """What a controller decided last."""

    action: npt.NDArray[np.float32]
    decisions: int = 0


@contextmanager
def deciding(controller: Controller, world: StillWorld, newest: Newest) -> Generator[None]:
    """Let a controller decide on the world's newest state without a pause, in a thread of its own."""
    stop = threading.Event()

    def decide() -> None:
        while not stop.is_set():
            newest.action = np.full(1, controller.decide(world.look()).action, dtype=np.float32)
            newest.decisions += 1

    thread = threading.Thread(target=decide)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def fly_rtgym(kind: str, controller: Controller, ticks: int) -> Punctuality:
    """Fly rtgym's environment of the class ``kind``."""
    rtgym = importlib.import_module("rtgym.envs.real_time_env")
    world = StillWorld(ticks)
    interface = StillInterface(world)
    times = {"time_step_duration": TICK_S, "start_obs_capture": TICK_S}  # the latter is to equal the former
    env = getattr(rtgym, kind)({**rtgym.DEFAULT_CONFIG_DICT, "interface": lambda: interface, **times})
    # Until it has sent the action, the end of its last step is what it holds to be the beginning of this one.
    interface.next_due_s = lambda: getattr(env, f"_{kind}__t_end")
    newest = Newest(interface.get_default_action())
    controller.reset(0)
    with deciding(controller, world, newest), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Time-step timed out")  # the drift says it
        env.reset()  # tells the world its first action
        for _ in range(ticks - 1):
            env.step(newest.action)
        env.stop()
    return punctuality(world.told_ns, interface.due_ns, newest.decisions)


def main(seconds: float = 60.0) -> None:
    """Fly each side for that long, one after the other, and print the figures.

    Args:
        seconds: of every side, of which the first is a warm-up; the bars are for the default.
    """
    try:
        rtgym_version = importlib.metadata.version("rtgym")
    except importlib.metadata.PackageNotFoundError:
        print("rtgym is not installed; run: pip install 'ontick[bench]'", file=sys.stderr)
        sys.exit(2)
    cores = keep_to_two_cores()
    ticks = round(seconds / TICK_S)
    controller = LanguageModelController(load_model(EMBEDDED), Prompt(StillTask()))
    with neighbours() as others:
        ontick, recorded = fly_ontick(controller, ticks)
        rtgym = fly_rtgym("RealTimeEnv", controller, ticks)
        rtgym_ts = fly_rtgym("RealTimeEnvTS", controller, ticks)
    figures = {
        **ontick.figures("ontick"),
        "ontick_abs_drift_ms": abs(ontick.drift_ms),
        **recorded,
        **rtgym.figures("rtgym"),
        **rtgym_ts.figures("rtgym_ts"),
        "p99_ratio": rtgym.p99_ms / ontick.p99_ms,
        "ts_p99_ratio": rtgym_ts.p99_ms / ontick.p99_ms,
        "seconds": seconds,
        "ticks": ticks,
        "cores": cores,
        "rtgym_version": rtgym_version,
        "others_cpu_share": others.share,
    }
    print_last_line("punctuality", figures, MUST)


if __name__ == "__main__":
    tyro.cli(main)
