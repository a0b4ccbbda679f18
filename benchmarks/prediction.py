"""Does a slow controller fly when it is shown the state in which its answer will land?

Three parts, the teacher being the policy in all of them:

- simulated time, 50 episodes each of CartPole and LunarLander, at a constant latency and at a slow API's; serially
  without prediction for comparison, then pipelined and with plans, aimed at the p95. The better of the two counts;
- what a decision costs more when it is foreseen ten ticks ahead with ten requests under way, each one guessed;
- real time: the teacher behind an API, a server and a slow line before it in processes of their own, over loopback.

Nothing was fitted on the seeds flown: CartPole's forward model is its equations, LunarLander's is mechanics.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import tyro

from bars import print_last_line
from machine import neighbours
from ontick.clock import ns_from_ms, ns_from_s
from ontick.controllers.base import REMEMBERED_LATENCIES, Controller, Observation, Underway
from ontick.controllers.catalog import Asking
from ontick.controllers.prediction import Between, Predict, Predicting
from ontick.controllers.scripted import Teacher
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.late import LateRule
from ontick.records import Json
from ontick.tasks import find_task
from teacher_api import teacher_behind_api

SLOW_API = "lognormal:150,0.25"
PIPELINED, CHUNK = 32, 24
LATE = {"cartpole": LateRule.NOOP, "lunarlander": LateRule.HOLD}
"""CartPole cannot wait for its first answer under hold: pushed one way, it falls within ten ticks."""

MUST = {
    "cartpole_300ms_perfect": ">= 49",
    "cartpole_slow_api_perfect": ">= 49",
    "lunarlander_160ms_landed": ">= 47",
    "lunarlander_160ms_solved": ">= 44",
    "lunarlander_slow_api_landed": ">= 45",
    "changed_within_a_tick": "<= 0",
    "cartpole_prediction_ms": "<= 0.2",
    "lunarlander_prediction_ms": "<= 1.0",
    "cartpole_http_perfect_of_10": ">= 9",
}
CASES = (
    ("cartpole", "300", "300ms", "perfect"),
    ("cartpole", SLOW_API, "slow_api", "perfect"),
    ("lunarlander", "160", "160ms", "landed"),
    ("lunarlander", SLOW_API, "slow_api", "landed"),
)
WITHIN_A_TICK = ("0", "7.5", "20")


def fly(setup: Setup) -> Json:
    """Return the summary of a setup."""
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(prepare(setup), Path(folder) / "run").summary


def asked(setup: Setup, *, chunk: int = 1, in_flight: int = 1) -> Setup:
    """Return the setup with prediction."""
    return replace(setup, predict=Predict.TARGET, in_flight=in_flight, asking=Asking(chunk=chunk))


def simulated(episodes: int) -> Json:
    """Fly every case serially as it is, pipelined and with plans."""
    figures: Json = {}
    for task, latency, name, success in CASES:
        setup = Setup(task, "teacher", episodes, clock=ClockName.VIRTUAL, late=LATE[task], latency=latency)
        ways = {
            "serial_unpredicted": setup,
            "pipelined": asked(setup, in_flight=PIPELINED),
            "chunked": asked(setup, chunk=CHUNK),
        }
        flown = {way: fly(setup) for way, setup in ways.items()}
        figures |= {f"{task}_{name}_{way}_{success}": summary[success] for way, summary in flown.items()}
        best = max(flown["pipelined"], flown["chunked"], key=lambda summary: (summary[success], summary["solved"] or 0))
        figures[f"{task}_{name}_{success}"] = best[success]
        if best["solved"] is not None:
            figures[f"{task}_{name}_solved"] = best["solved"]
    return figures


def changed_within_a_tick(episodes: int) -> int:
    """Return how many episodes prediction changes where answers take no more than a tick; none should be."""
    changed = 0
    for task, late in LATE.items():
        frozen = Setup(task, "teacher", episodes, clock=ClockName.VIRTUAL, late=late)
        plain = prepare(frozen)
        scores = [plain.fly(plain.dressed(), seed).episode.reward for seed in frozen.seeds]
        for latency in WITHIN_A_TICK:
            for setup in (frozen, replace(frozen, in_flight=PIPELINED), replace(frozen, asking=Asking(chunk=CHUNK))):
                ready = prepare(replace(setup, predict=Predict.TARGET, latency=latency))
                controller = ready.dressed()
                again = [ready.fly(controller, seed).episode.reward for seed in frozen.seeds]
                changed += sum(a != b for a, b in zip(scores, again, strict=True))
    return changed


def overhead_ms(name: str, ahead: int = 10, repetitions: int = 2000) -> float:
    """Return what a decision costs more when it is foreseen ``ahead`` ticks ahead, in milliseconds."""
    task = find_task(name)
    tick, latency = ns_from_s(task.tick_s), ns_from_ms(ahead * task.tick_ms)
    teacher = Teacher(task)
    between = Between(LATE[name], task.initial_action, task.noop, Teacher(task))
    foreseeing = Predicting(teacher, task.predict, Predict.TARGET, tick, [latency], between, 1000)
    flight = prepare(Setup(name, "teacher", 1, clock=ClockName.VIRTUAL))
    states = [each.observation for each in flight.fly(flight.dressed(), 0).ticks]
    shown = [
        Observation(
            states[k % len(states)],
            k,
            started=(k - 1) * tick,
            last_action=0,
            open=tuple(Underway(other, (other - 1) * tick) for other in range(max(0, k - ahead), k)),
            latencies=(latency,) * REMEMBERED_LATENCIES,
        )
        for k in range(repetitions)
    ]

    def taken(controller: Controller) -> float:
        controller.reset(0)
        began = time.perf_counter()
        for observation in shown:
            controller.decide(observation)
        return time.perf_counter() - began

    pairs = [(taken(foreseeing), taken(teacher)) for _ in range(5)]
    return 1e3 * median(more - less for more, less in pairs) / repetitions


def real_time(episodes: int) -> Json:
    """Fly CartPole in real time with the teacher behind an API, its line slow."""
    with teacher_behind_api("cartpole", SLOW_API) as word:
        setup = Setup("cartpole", word, episodes, late=LATE["cartpole"])
        summary = fly(asked(setup, chunk=CHUNK))
        plain = fly(replace(setup, episodes=min(3, episodes)))
    return {
        "cartpole_http_episodes": summary["n"],
        "cartpole_http_perfect_of_10": 10 * summary["perfect"] / summary["n"],
        "cartpole_http_p50_ms": summary["decision_ms"]["p50"],
        "cartpole_http_p95_ms": summary["decision_ms"]["p95"],
        "cartpole_http_lateness_p99_ms": summary["tick_lateness_ms"]["p99"],
        "cartpole_http_unpredicted_steps_median": plain["steps_median"],
    }


def main(episodes: int = 50, real_time_episodes: int = 10) -> None:
    """Measure all three parts and print the figures.

    Args:
        episodes: how many of each case in simulated time, from seed 0 on.
        real_time_episodes: how many in real time.
    """
    with neighbours() as others:
        figures = simulated(episodes)
        figures["changed_within_a_tick"] = changed_within_a_tick(min(10, episodes))
        figures |= {f"{task}_prediction_ms": overhead_ms(task) for task in LATE}
        figures |= real_time(real_time_episodes)
    print_last_line("prediction", {"episodes": episodes, **figures, "others_cpu_share": others.share}, MUST)


if __name__ == "__main__":
    tyro.cli(main)
