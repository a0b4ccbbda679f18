"""A language model that answers late is trained on the very prompts that it is asked with in flight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import families
import students
from ontick.controllers.catalog import Asking, make_controller
from ontick.controllers.llm import LanguageModelController
from ontick.controllers.pending import awareness_of
from ontick.dead_time import Aim, Awareness, DeadTime
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, prepare
from ontick.late import LateRule
from ontick.learning.collect import collect, teacher_of
from ontick.learning.dataset import Demonstrations
from ontick.learning.flock import Air, fly_together
from ontick.learning.hindsight import Asked
from ontick.learning.noise import Noise
from ontick.learning.sft import guard
from ontick.learning.sft.learner import SftLearner
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.tokens import Asker, tokenise
from ontick.learning.sft.train import fine_tune
from ontick.models.base import Choice, Completion, Message, ModelInfo, ModelOptions, Reading
from ontick.models.hf.conversation import Conversation
from ontick.prompts import Layout, Prompt, PromptStyle
from ontick.tasks import find_task
from ontick.wording import Numbers

CARTPOLE = find_task("cartpole")
STYLE = PromptStyle(layout=Layout.COMPACT, numbers=Numbers.LETTER, pending=6)
EXACT = ModelOptions(dtype="float32", device="cpu", threads=1)


class Spy:
    """Answers by the prompt's hash, and keeps the prompts in order."""

    def __init__(self) -> None:
        self.asked: list[list[Message]] = []

    @property
    def info(self) -> ModelInfo:
        return ModelInfo("spy", "api", None, None, (Reading.SCORE,))

    def warm_up(self, messages: Sequence[Message]) -> None:
        self.asked = []

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        self.asked.append(list(messages))
        return Choice(sum(messages[-1].content.encode()) % len(choices), (0.0,) * len(choices), 0, 1, 1.0)

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        raise NotImplementedError


def collected(dead_time: DeadTime, style: PromptStyle = STYLE) -> tuple[Demonstrations, Spy]:
    spy = Spy()
    aware = Awareness(dead_time, style.pending, memory=False)
    controller = LanguageModelController(spy, Prompt(CARTPOLE, style), aware=aware)
    demos = collect(
        CARTPOLE,
        controller,
        teacher_of(CARTPOLE),
        Noise(),
        [3],
        source="spy",
        dead_time=dead_time,
        asked=Asked.START,
    )
    return demos, spy


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("late", LateRule)
@pytest.mark.parametrize(("latency", "in_flight"), [("0", 1), ("50", 1), ("50", 4), ("90", 16)])
def test_the_prompts_that_are_trained_on_are_those_that_were_asked(
    latency: str, in_flight: int, late: LateRule, layout: Layout
) -> None:
    style = replace(STYLE, layout=layout)
    demos, spy = collected(DeadTime.of(latency, in_flight, late, Aim.ARRIVAL), style)
    prompt = Prompt(CARTPOLE, style)
    trained = [prompt.asked(row) for row in demos.rows(style.pending)]
    assert len(trained) > 2 or in_flight == 1
    assert trained == spy.asked[: len(trained)]
    if in_flight == 16:
        assert any("-" in messages[-1].content for messages in trained)


@pytest.mark.parametrize("name", ["smollm2", "qwen3", "llama3.2"])
@pytest.mark.parametrize("layout", Layout)
def test_the_tokens_that_are_trained_on_are_those_that_are_asked_with(name: str, layout: Layout) -> None:
    demos, _ = collected(DeadTime.of("90", 16, LateRule.NOOP, Aim.TARGET))
    _, tokenizer = families.plain_model(name)
    style = replace(STYLE, layout=layout, numbers=Numbers.WHOLE)
    asks = Asker(Prompt(CARTPOLE, style), Conversation(tokenizer, name))
    try:
        found = tokenise(asks, demos)
    except OntickError:
        pytest.skip("refused")
    rows = demos.rows(style.pending)
    for number, row in enumerate(rows):
        assert found.whole(number) == asks.prompt_tokens(row)
    assert len({tuple(found.whole(number)) for number in range(len(demos))}) > 2
    guard.check_answers(asks, demos, found)


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("late") / "pilot"
    dead_time = DeadTime.of("90", 16, LateRule.NOOP, Aim.TARGET)
    demos, _ = collected(dead_time)
    settings = students.settings(prompt=STYLE, steps=4, every=4)
    fine_tune(CARTPOLE, Lesson(demos, dead_time=dead_time), settings, folder)
    return folder


def test_a_pilot_flies_alone_as_it_does_among_others_while_it_learns(pilot: Path) -> None:
    alone = make_controller(f"pilot:{pilot}", CARTPOLE, Asking(model=EXACT))
    aware = awareness_of(alone)
    assert aware is not None
    assert (aware.pending, aware.memory, aware.dead_time.late) == (6, False, LateRule.NOOP)
    air = Air.of(aware.dead_time)
    flown = [air.fly(CARTPOLE, CARTPOLE.make(), alone, seed) for seed in (1, 2)]
    policy = SftLearner(CARTPOLE, pilot).policy(pilot)
    together = fly_together(CARTPOLE, policy, [1, 2], aware=aware)
    for one, other in zip(flown, together, strict=True):
        assert [tick.action for tick in one.ticks] == [tick.action for tick in other.ticks]


def test_a_prompt_that_shows_what_the_data_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OntickError, match=r"collected for no latency; leave it out, or collect with --latency"):
        fine_tune(CARTPOLE, Lesson(students.taught_states(20)), students.settings(prompt=STYLE), tmp_path / "p")
    assert not (tmp_path / "p").exists()


def test_an_untrained_model_is_told_what_is_pending_by_the_flight_that_it_is_in() -> None:
    word = f"hf:{students.tiny_model()}"
    setup = Setup(
        "cartpole",
        word,
        1,
        clock=ClockName.VIRTUAL,
        latency="90",
        delay="30",
        in_flight=3,
        late=LateRule.NOOP,
        asking=Asking(STYLE, model=EXACT),
    )
    prepared = prepare(setup)
    aware = awareness_of(prepared.controller)
    assert aware is not None
    assert aware.pending == 6
    assert aware.dead_time == DeadTime("90", 3, LateRule.NOOP, Aim.ARRIVAL, 120, 120)
    assert awareness_of(prepare(replace(setup, asking=Asking(model=EXACT))).controller) is None
    flight = prepared.fly(prepared.dressed(), 0)
    assert np.isfinite(flight.episode.reward)
