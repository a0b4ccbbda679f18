"""Which of several controllers is best here? All of them on the same seeds, under both late rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ontick.controllers.llm import LanguageModelController
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Evaluation, Progress, Setup, evaluate, prepare, silent, whole
from ontick.evaluation.needs import task_needs_ms
from ontick.evaluation.phases import Phases
from ontick.evaluation.statistics import percentiles
from ontick.evaluation.verdict import BUDGET, FROZEN, REAL_TIME, expected_s, judge
from ontick.late import LateRule
from ontick.records import Json, RunWriter


@dataclass(frozen=True)
class Comparison:
    """Several controllers, flown alike."""

    base: Setup
    """The controller in it is not flown."""
    controllers: Sequence[str]
    late_rules: Sequence[LateRule] = tuple(LateRule)

    def setups(self) -> list[Setup]:
        """Return what is flown in real time, controller by controller."""
        return [replace(self.base, controller=word, clock=ClockName.WALL) for word in self.controllers]


def compare(
    comparison: Comparison, run: Path, progress: Progress = silent, on_row: Callable[[Json], None] = lambda row: None
) -> Json:
    """Fly every controller with time frozen and in real time; return the object that ``compare --json`` prints.

    Every controller is loaded once before anything is flown, so that a mistake in the last one shows at once.

    Raises:
        OntickError: a controller cannot be loaded, or the folder cannot be written.
        KeyboardInterrupt: after what was flown has been kept and summarised.
    """
    setups = comparison.setups()
    if not setups:
        raise OntickError("there is nothing to compare; name the controllers")
    for setup in setups:
        prepare(setup)
    compared = {"controllers": list(comparison.controllers), "late_rules": list(comparison.late_rules)}
    writer = RunWriter(run, {"verb": "compare", **compared, **_asked(comparison)})
    parts = expected_s(setups[0])
    names = [f"{number} {setup.controller}" for number, setup in enumerate(setups, start=1)]
    each = sum(parts[part] for part in (FROZEN, REAL_TIME))
    phases = Phases(progress, {BUDGET: parts[BUDGET], **dict.fromkeys(names, each * len(comparison.late_rules))})
    told = Phases(phases.of(BUDGET), dict.fromkeys(comparison.late_rules, 1.0))
    budgets = {rule: task_needs_ms(replace(setups[0], late=rule), told.of(rule)) for rule in comparison.late_rules}
    rows: list[Json] = []
    result = {"task": comparison.base.task, "budget_ms": budgets, "controllers": rows, "run": str(run)}
    try:
        for number, (setup, name) in enumerate(zip(setups, names, strict=True), start=1):
            rows.append(_row(setup, budgets, run / f"{number}", phases.of(name)))
            on_row(rows[-1])
    except KeyboardInterrupt as stop:
        writer.finish({**result, "interrupted": True})
        raise KeyboardInterrupt(f"what was flown is kept and summarised in {run}") from stop
    writer.finish(result)
    return result


def _row(setup: Setup, budgets: dict[LateRule, float | None], run: Path, progress: Progress) -> Json:
    prepared = prepare(setup)
    frozen: dict[LateRule, Json] = {}
    flown: dict[LateRule, Evaluation] = {}
    expected = expected_s(setup)
    phases = Phases(progress, {f"{part}, {rule}": expected[part] for rule in budgets for part in (FROZEN, REAL_TIME)})
    for rule in budgets:
        ruled = replace(prepared, setup=replace(setup, late=rule))
        known = next(iter(frozen.values()), None)
        if known is not None and known["late_ticks"] == 0:
            frozen[rule] = known  # an action at every tick leaves a late rule nothing to do
        else:
            told = phases.of(f"{FROZEN}, {rule}")
            frozen[rule] = whole(evaluate(ruled.with_time_frozen(), run / f"frozen-{rule}", told)).summary
        flown[rule] = whole(evaluate(ruled, run / rule, phases.of(f"{REAL_TIME}, {rule}")))
    verdicts = {
        rule: judge(frozen[rule], flown[rule].summary, prepared.task.tick_ms if allowed is None else allowed)
        for rule, allowed in budgets.items()
    }
    answers = [answer for evaluation in flown.values() for flight in evaluation.flights for answer in flight.answers()]
    latencies_ms = [answer.latency_ms for answer in answers]
    first_tokens_ms = [answer.ttft_ms for answer in answers if answer.ttft_ms is not None]
    new_tokens = [answer.new_tokens for answer in answers if answer.new_tokens is not None]
    controller = prepared.controller
    info = controller.model.info if isinstance(controller, LanguageModelController) else None
    return {
        "controller": setup.controller,
        "model": info and info.name,
        "parameters": info and info.parameters,
        "quantisation": info and info.quantisation,
        "reading": controller.reading if isinstance(controller, LanguageModelController) else None,
        "new_tokens": percentiles(new_tokens, 50),
        "decision_ms": percentiles(latencies_ms, 50, 95, 99),
        # A scored answer is there with its first token.
        "ttft_ms": percentiles(first_tokens_ms or (latencies_ms if info else []), 50, 95, 99),
        "frozen": frozen,
        "real_time": {rule: evaluation.summary for rule, evaluation in flown.items()},
        "verdict": verdicts,
    }


def _asked(comparison: Comparison) -> Json:
    asked = comparison.base.as_json()
    return {name: value for name, value in asked.items() if name not in {"controller", "late", "clock"}}
