"""What does a controller answer when nothing moves? Single states, one after another, and ordinary questions.

What is probed: the task's diagnostic states, in which no one could doubt what is right; states of disturbed flights of
the teacher, labelled by it; and, for a language model, questions that have nothing to do with control, which the model
that it was made from is asked too, and how well it foresees the words of a general text.
"""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from ontick.controllers.base import Decision, Observation
from ontick.controllers.catalog import Asking
from ontick.controllers.llm import LanguageModelController
from ontick.errors import OntickError
from ontick.evaluation.collapse import Answered, find_rut, recall, spread
from ontick.evaluation.episodes import ClockName, Prepared, Progress, Setup, prepare, silent
from ontick.evaluation.questions import ALL, FEW, Question, choose_questions
from ontick.evaluation.retention import (
    Base,
    ask_questions,
    check_base,
    describe_answers,
    find_base,
    measure_moved,
    measure_prose,
    read_prose,
    why_no_divergence,
)
from ontick.evaluation.statistics import wilson_ci95
from ontick.evaluation.teacher_states import DisturbedTeacher, TeacherState, disturbed_flight
from ontick.inflight.legal import asking
from ontick.models.base import LocalModel, Reading
from ontick.records import Json, RunWriter, State
from ontick.tasks.base import Diagnostic, Task

ANSWERS = "questions.jsonl"
"""The file of a run that holds every answer to an ordinary question, a line each, written as it comes."""

TEACHER_FLIGHTS = 4

_Tell: TypeAlias = Callable[[str], None]
"""Shows what was asked last."""

INVALID = "invalid"
"""The column of answers that name no legal action, and of silence."""


@dataclass(frozen=True)
class ProbeSetup:
    """What is probed, and with which states."""

    task: str
    controller: str
    states: int = 100
    """How many states of the teacher's flights; 0 leaves them out."""
    seed: int = 0
    """The seed of the teacher's first flight; the others count up from it."""
    asking: Asking = field(default_factory=Asking)
    task_module: str | None = None
    questions: str = ALL
    """Which ordinary questions a language model is asked: ``all``, ``few``, ``none``, a file, or ``all+FILE``."""
    base: str | None = None
    """The model that it is compared with on them; None: a pilot's base, or what is below an adapter, if any."""


def probe(setup: ProbeSetup, run: Path, progress: Progress = silent) -> Json:
    """Probe a controller, record it in the folder ``run`` and return the object that ``probe --json`` prints.

    Raises:
        OntickError: the setup is wrong, the task gives nothing to probe with, or the folder cannot be written.
    """
    if setup.states < 0:
        raise OntickError(f"--states {setup.states} cannot be; give 0 or more")
    if setup.base is not None:
        check_base(setup.base)
    flown = Setup(
        setup.task,
        setup.controller,
        seed=setup.seed,
        clock=ClockName.VIRTUAL,
        asking=setup.asking,
        task_module=setup.task_module,
    )
    prepared = prepare(flown)
    task, controller = prepared.task, prepared.controller
    _check_diagnostics(task)
    passed = _teacher_states(prepared, setup.states)
    if not task.diagnostics and not passed:
        raise OntickError(
            f"task {task.name!r} gives nothing to probe with; give it diagnostics or a teacher (docs/add-a-task.md)"
        )
    model = controller if isinstance(controller, LanguageModelController) else None
    quiz = _prepare_quiz(setup, model)
    writer = RunWriter(run, {"verb": "probe", **asdict(setup)})
    shown = [state for state, _ in passed] or [_as_observed(prepared, known.state) for known in task.diagnostics]
    compared = [model.prompt.asked(state) for state in shown] if model and quiz.base and not quiz.why_no_kl else []
    parts = (task.diagnostics, passed, quiz.questions, compared)
    done, total = itertools.count(1), sum(map(len, parts)) + quiz.paragraphs

    def tell(what: str) -> None:
        progress(next(done), total, what)

    def keep(answered: Json) -> None:
        writer.note(ANSWERS, answered)
        tell(answered["question"])

    ask = _asker(prepared, tell)
    try:
        diagnosed = [(diagnostic, *_diagnose(prepared, ask, diagnostic, tell)) for diagnostic in task.diagnostics]
        followed = [Answered(ask(state, "the teacher's flights").action, wanted) for state, wanted in passed]
        asked = quiz.put_to(model, keep)
        moved = measure_moved(model.model, quiz.base, compared, lambda: tell("as its base")) if model else None
        prose = measure_prose(model.model, quiz.base, lambda: tell("a text")) if model and quiz.paragraphs else None
    except KeyboardInterrupt as stop:
        writer.finish({"interrupted": True})
        raise KeyboardInterrupt(f"the questions answered are kept in {run}") from stop
    sure = [Answered(decision.action, _row(prepared, diagnostic, decision)) for diagnostic, decision, _ in diagnosed]
    result: Json = {
        "task": setup.task,
        "controller": setup.controller,
        "actions": list(task.actions),
        "diagnostics": {
            **_describe(task, sure),
            "states": [_describe_state(task, *answered) for answered in diagnosed],
        },
        "teacher_states": _describe(task, followed) if task.has_teacher else None,
        "rut": find_rut(task, followed or sure),
        "questions": asked if model else None,
        "knowledge": describe_answers(asked, quiz.base, quiz.why_no_kl) if asked else None,
        "moved": moved,
        "prose": prose,
    }
    writer.finish(result)
    return {**result, "run": str(run)}


class _Quiz(NamedTuple):
    """The ordinary questions, and whom else to ask."""

    questions: tuple[Question, ...] = ()
    base: Base | None = None
    why_no_kl: str | None = None
    paragraphs: int = 0
    """Of general text that is read after them."""

    def put_to(self, controller: LanguageModelController | None, on_answer: Callable[[Json], None]) -> list[Json]:
        """Ask; ``on_answer`` gets every answer at once."""
        if controller is None:
            return []
        divergence = self.why_no_kl is None
        return ask_questions(controller.model, self.base, self.questions, divergence=divergence, on_answer=on_answer)


def _prepare_quiz(setup: ProbeSetup, controller: LanguageModelController | None) -> _Quiz:
    questions = choose_questions(setup.questions)
    if controller is None:
        if setup.base is not None:
            raise OntickError(f"{setup.controller} is no language model, so there is nothing to compare; omit --base")
        return _Quiz()
    if not questions:
        return _Quiz()
    model = controller.model
    base = find_base(setup.controller, setup.asking.model, model, setup.base)
    why_no_kl = why_no_divergence(model, base.model, questions) if base else None
    reads = setup.questions != FEW and isinstance(model, LocalModel)
    return _Quiz(questions, base, why_no_kl, len(read_prose()) if reads else 0)


def _check_diagnostics(task: Task) -> None:
    for number, diagnostic in enumerate(task.diagnostics, start=1):
        legal = diagnostic.right and diagnostic.right <= set(range(len(task.actions)))
        if len(diagnostic.state) != len(task.features) or not legal:
            raise OntickError(
                f"diagnostic state {number} of task {task.name!r} does not fit its features and actions; "
                "test it with ontick.contracts.TaskContract"
            )


def _teacher_states(prepared: Prepared, count: int) -> list[TeacherState]:
    """Return ``count`` states spread evenly over a few disturbed flights of the teacher, or all that there are."""
    task, first = prepared.task, prepared.setup.seed
    if not task.has_teacher or not count:
        return []
    teacher = DisturbedTeacher(task)
    flights = [disturbed_flight(task, prepared.env, teacher, first + n)[1] for n in range(TEACHER_FLIGHTS)]
    passed = [state for flight in flights for state in flight]
    places: list[float] = np.linspace(0, len(passed) - 1, min(count, len(passed))).tolist()
    chosen = [passed[round(place)] for place in places]
    # In the order flown, a controller that only repeats its last answer would look as if it followed.
    random.Random(first).shuffle(chosen)
    return chosen


def _asker(prepared: Prepared, tell: _Tell) -> Callable[[Sequence[float] | State, str], Decision]:
    """Return how one state after another is shown, each as a new observation of one long episode."""
    ask = asking(prepared.controller, len(prepared.task.actions))
    ticks = itertools.count()

    def show(state: Sequence[float] | State, what: str) -> Decision:
        decision = ask(Observation(_as_observed(prepared, state), next(ticks)))
        tell(what)
        return decision

    return show


def _row(prepared: Prepared, diagnostic: Diagnostic, decision: Decision) -> int:
    """Return the right action that an answer is compared with: itself if it is right, else the teacher's, else any."""
    if decision.action in diagnostic.right:
        return decision.action
    if prepared.task.has_teacher:
        wanted = int(prepared.task.teacher(prepared.env, _as_observed(prepared, diagnostic.state)))
        if wanted in diagnostic.right:
            return wanted
    return min(diagnostic.right)


def _describe(task: Task, answers: Sequence[Answered]) -> Json:
    """Return what answers come to; ``balanced_accuracy`` is the mean recall of the actions that were wanted at all."""
    right = sum(action == wanted for action, wanted in answers)
    recalls = recall(task, answers)
    known = [share for share in recalls.values() if share is not None]
    counts = Counter(answers)
    columns = (*enumerate(task.actions), (None, INVALID))
    return {
        "n": len(answers),
        "right": right,
        "accuracy": right / len(answers) if answers else None,
        "accuracy_ci95": list(wilson_ci95(right, len(answers))) if answers else None,
        "balanced_accuracy": sum(known) / len(known) if known else None,
        "recall": recalls,
        **spread(task, answers),
        "confusion": {
            wanted: {name: counts[Answered(action, row)] for action, name in columns}
            for row, wanted in enumerate(task.actions)
        },
    }


def _diagnose(
    prepared: Prepared, ask: Callable[[Sequence[float] | State, str], Decision], diagnostic: Diagnostic, tell: _Tell
) -> tuple[Decision, float | None]:
    """Return the answer, and how probable the right actions are together; None for whatever cannot be scored."""
    controller = prepared.controller
    if not isinstance(controller, LanguageModelController) or controller.reading is not Reading.SCORE:
        return ask(diagnostic.state, diagnostic.situation), None
    decision, choice = controller.score(_as_observed(prepared, diagnostic.state))
    tell(diagnostic.situation)
    return decision, math.fsum(math.exp(choice.logprobs[action]) for action in diagnostic.right)


def _describe_state(task: Task, diagnostic: Diagnostic, decision: Decision, p_right: float | None) -> Json:
    return {
        "situation": diagnostic.situation,
        "state": list(diagnostic.state),
        "right": [task.actions[action] for action in sorted(diagnostic.right)],
        "answered": None if decision.action is None else task.actions[decision.action],
        "correct": decision.action in diagnostic.right,
        "text": decision.text,
        "p_right": p_right,
    }


def _as_observed(prepared: Prepared, state: Sequence[float] | State) -> State:
    """Return a state as the environment would give it."""
    observed = np.array(state, dtype=prepared.env.observation_space.dtype)
    observed.setflags(write=False)
    return observed
