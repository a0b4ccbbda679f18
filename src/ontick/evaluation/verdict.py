"""Which of policy and latency failed? The same seeds with time frozen and in real time, and a judgement in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ontick.durations import in_ms
from ontick.evaluation.episodes import ClockName, Evaluation, Progress, Setup, evaluate, prepare, silent, whole
from ontick.evaluation.needs import task_needs_ms
from ontick.evaluation.phases import Phases
from ontick.evaluation.remedy import FLIES_RATE, Outlook, look_for_remedy
from ontick.loop import Observer
from ontick.records import Json, RunWriter


class Verdict(StrEnum):
    """What a controller is found to be."""

    FLIES = "flies"
    POLICY = "policy"
    LATENCY = "latency"
    BOTH = "both"


def judge(frozen: Json, real_time: Json, budget_ms: float) -> Verdict:
    """Compare two summaries of the same seeds; ``budget_ms`` is the latency that the task allows."""
    if real_time["success_rate"] >= FLIES_RATE:
        return Verdict.FLIES
    if frozen["success_rate"] >= FLIES_RATE:
        return Verdict.LATENCY
    p95_ms = real_time["decision_ms"]["p95"]
    return Verdict.POLICY if p95_ms is None or p95_ms <= budget_ms else Verdict.BOTH


def explain(
    verdict: Verdict,
    frozen: Json,
    real_time: Json,
    budget_ms: float,
    measured_budget: bool,
    outlook: Outlook | None = None,
) -> str:
    """Say in one sentence why ``verdict`` is what it is, and what would help."""
    p95_ms = real_time["decision_ms"]["p95"]
    allows = (
        "the task allows" if measured_budget else "a tick lasts (no teacher that succeeds says what the task allows)"
    )
    within = p95_ms is None or p95_ms <= budget_ms
    if p95_ms is None:
        pace = "it never answers"
    else:
        where = "within" if within else "over"
        pace = f"its answers take {in_ms(p95_ms)} at p95, {where} the {in_ms(budget_ms)} that {allows}"
    success = real_time["success"]
    name = success[:1].upper() + success[1:].replace("_", " ")
    in_time = f"{real_time[success]} of {real_time['n']} episodes in real time"
    at_rest = f"{frozen[success]} of {frozen['n']} with time frozen"
    remedy = "yet enough of them came late to matter" if within else "make it faster"
    why = {
        Verdict.FLIES: f"{name} in {in_time}: {pace}",
        Verdict.LATENCY: f"{name} in {at_rest} but in {in_time}: {pace}; {remedy}",
        Verdict.POLICY: f"{name} in only {at_rest}, and {pace}: speed will not help, a better policy will",
        Verdict.BOTH: f"{name} in only {at_rest}, and {pace}: it needs a better policy and more speed",
    }[verdict]
    rut = frozen.get("collapse", {}).get("rut") if verdict in {Verdict.POLICY, Verdict.BOTH} else None
    stuck = f" (it is in a rut: {rut})" if rut else ""
    overruns = real_time["overrun_ticks"]
    stalled = f" (the machine stalled for {overruns} ticks, which is not the controller's doing)" if overruns else ""
    otherwise = "" if outlook is None else f"; {outlook.in_words()}"
    return f"{why}{stuck}{stalled}{otherwise}."


@dataclass(frozen=True)
class Judgement:
    """A verdict and all that it rests on."""

    verdict: Verdict
    why: str
    budget_ms: float | None
    frozen: Evaluation
    real_time: Evaluation
    outlook: Outlook | None
    """How it would have to be asked; None: latency is not what failed, or there is nobody to try it with."""
    run: Path

    def as_json(self) -> Json:
        """Return the object that ``verdict --json`` prints."""
        setup = self.real_time.setup
        return {
            "task": setup.task,
            "controller": setup.controller,
            "delay": setup.delay,
            "late": setup.late,
            "in_flight": setup.in_flight,
            "requests_per_minute": setup.requests_per_minute,
            "chunk": setup.asking.chunk,
            "predict": setup.predict,
            "frozen": self.frozen.summary,
            "real_time": self.real_time.summary,
            "budget_ms": self.budget_ms,
            "verdict": self.verdict,
            "why": self.why,
            **({"remedy": None, "tried": []} if self.outlook is None else self.outlook.as_json()),
            "run": str(self.run),
        }


BUDGET, FROZEN, REAL_TIME, REMEDY = "what the task allows", "time frozen", "real time", "remedy"
"""What a verdict does, in order."""


def expected_s(setup: Setup) -> dict[str, float]:
    """Return roughly how many seconds each part of a verdict takes."""
    flown_s = 0.5 if setup.clock is ClockName.VIRTUAL else 8.0
    return {BUDGET: 3.0, FROZEN: 0.5 * setup.episodes, REAL_TIME: flown_s * setup.episodes, REMEDY: 3.0}


def reach_verdict(
    setup: Setup, run: Path, progress: Progress = silent, observers: Sequence[Observer] = ()
) -> Judgement:
    """Fly a setup with time frozen and as it says, and judge; recorded in the folder ``run``.

    ``observers`` see every tick of the latter.

    Time frozen means the virtual clock with no latency and no added delay: ordinary synchronous Gymnasium.
    Where latency is what failed, or part of it, ways of asking are tried in simulation until one flies.

    Raises:
        OntickError: the setup is wrong, or the folder cannot be written.
        KeyboardInterrupt: after what was flown has been kept and summarised.
    """
    prepared = prepare(setup)
    writer = RunWriter(run, {"verb": "verdict", **setup.as_json()})
    phases = Phases(progress, expected_s(setup))
    try:
        budget_ms = task_needs_ms(setup, phases.of(BUDGET))
        frozen = whole(evaluate(prepared.with_time_frozen(), run / "frozen", phases.of(FROZEN)))
        real_time = whole(evaluate(prepared, run / "real_time", phases.of(REAL_TIME), observers))
        allowed_ms = prepared.task.tick_ms if budget_ms is None else budget_ms
        verdict = judge(frozen.summary, real_time.summary, allowed_ms)
        outlook = None
        if verdict in {Verdict.LATENCY, Verdict.BOTH}:
            policy_fails = verdict is Verdict.BOTH
            told = phases.of(REMEDY)
            outlook = look_for_remedy(prepared, run / "real_time", policy_fails=policy_fails, progress=told)
    except KeyboardInterrupt as stop:
        writer.finish({"interrupted": True})
        raise KeyboardInterrupt(f"what was flown is kept and summarised in {run}") from stop
    why = explain(verdict, frozen.summary, real_time.summary, allowed_ms, budget_ms is not None, outlook)
    judgement = Judgement(verdict, why, budget_ms, frozen, real_time, outlook, run)
    writer.finish(judgement.as_json())
    return judgement
