"""A language model's plan: what it writes is used as far as it goes; its scores give the digits that it would write."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import families
from api_server import STREAMS, Proxy, events
from ontick.cli import main
from ontick.controllers.base import Decision, Observation
from ontick.controllers.catalog import Asking, make_controller
from ontick.controllers.chunks import planning
from ontick.controllers.llm import LanguageModelController, digits_a_token
from ontick.errors import OntickError
from ontick.evaluation.episodes import ClockName, Setup, evaluate, prepare
from ontick.evaluation.summary import summarise
from ontick.models.base import Choice, Completion, LanguageModel, LocalModel, Message, ModelInfo, ModelOptions, Reading
from ontick.models.catalog import load_model
from ontick.models.chat import ChatTemplate
from ontick.models.hf.model import HuggingFace
from ontick.models.llama.model import LlamaCpp
from ontick.prompts import Layout, Prompt, PromptStyle, begun
from ontick.records import State, read_run
from ontick.report.tables import evaluation_table
from ontick.tasks import find_task
from tiny_gguf import write_lfm2

CARTPOLE = find_task("cartpole")
LANDER = find_task("lunarlander")
COMPACT = PromptStyle(layout=Layout.COMPACT)
SHOWN = PromptStyle(examples=4)


@functools.cache
def family(name: str) -> HuggingFace:
    return HuggingFace(str(families.folder_of(name)), options=ModelOptions(dtype="float32", threads=1))


@functools.cache
def embedded() -> LanguageModel:
    return load_model("smollm2", ModelOptions(quantisation="as-is", threads=1))


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> LlamaCpp:
    return LlamaCpp(write_lfm2(tmp_path_factory.mktemp("lfm2") / "m.gguf"), options=ModelOptions(threads=1))


def states(prompt: Prompt, count: int) -> list[State]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-0.5, 0.5, len(prompt.task.features)) for _ in range(count)]


def asked(model: LanguageModel, prompt: Prompt, state: State, reading: Reading) -> Decision:
    """Ask as at an episode's first decision."""
    controller = LanguageModelController(model, prompt, reading)
    controller.reset(0)
    return controller.decide(Observation(state, 0))


WRITTEN = {
    "0 1 1": Decision(0, then=(1, 1)),
    "011": Decision(0, then=(1, 1)),
    "0,1,\n1": Decision(0, then=(1, 1)),
    "0111": Decision(0, then=(1, 1)),
    "011 because": Decision(0, then=(1, 1)),
    "01": Decision(0, then=(1,), failure="short"),
    "1": Decision(1, failure="short"),
    "01x": Decision(0, then=(1,), failure="illegal"),
    "1 2": Decision(1, failure="illegal"),
    "0 then 1": Decision(0, failure="illegal"),
    "": Decision(None, False, failure="empty"),
    "201": Decision(None, False, failure="prose"),
    "Push left": Decision(None, False, failure="prose"),
    "I'm sorry": Decision(None, False, failure="refusal"),
}


@pytest.fixture
def writing(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    """A server that writes each of `WRITTEN` where it is the fault's name."""
    for said in WRITTEN:
        monkeypatch.setitem(STREAMS, said, events({"content": said}) if said else STREAMS["empty"])
    return proxy


def test_what_an_api_writes_is_used_as_far_as_it_is_a_plan(writing: Proxy) -> None:
    writing.after_warm_up(*WRITTEN)
    controller = make_controller(writing.word, CARTPOLE, Asking(chunk=3))
    controller.reset(0)
    for said, expected in WRITTEN.items():
        decision = controller.decide(Observation(np.zeros(4), 0))
        assert decision._replace(text=None, ttft_ms=None) == expected, said
        assert decision.text == " ".join(said.split())
    question = writing.questions[-1].body
    assert "Answer with 3 digits" in question["messages"][0]["content"]
    assert question["max_tokens"] == 8, "room for three digits and what may stand between and around them"


def test_a_plan_of_one_is_asked_for_and_read_as_an_action(writing: Proxy) -> None:
    writing.after_warm_up("1", "01")
    controller = make_controller(writing.word, CARTPOLE, Asking(chunk=1))
    controller.reset(0)
    decisions = [controller.decide(Observation(np.zeros(4), 0)) for _ in range(2)]
    assert [(d.action, d.valid, d.failure, d.then) for d in decisions] == [
        (1, True, None, ()),
        (None, False, "prose", ()),
    ]
    assert writing.questions[-1].body["max_tokens"] == 4


def test_plans_that_were_cut_are_counted_by_kind_and_flown(writing: Proxy, tmp_path: Path) -> None:
    faults = ["011", "01", "1 2", "", "1"]
    writing.after_warm_up(*faults)
    asking = Asking(chunk=3, model=ModelOptions(timeout_s=5))
    setup = Setup("cartpole", writing.word, episodes=1, clock=ClockName.VIRTUAL, asking=asking)
    evaluation = evaluate(prepare(setup), tmp_path / "run")
    flown, summary = Counter(writing.done[1:]), evaluation.summary
    assert set(flown) == set(faults)
    assert summary["cut_plans"] == flown["01"] + flown["1 2"] + flown["1"]
    assert summary["invalid_answers"] == flown[""]
    kinds = {"short": flown["01"] + flown["1"], "illegal": flown["1 2"], "empty": flown[""]}
    assert summary["failures"] == kinds
    (again,) = read_run(tmp_path / "run").flights()
    assert [answer.then for answer in again.answers() if answer.text == "011"] == [(1, 1)] * flown["011"]


def test_the_latency_of_a_plan_is_measured_and_cut_ones_are_told(
    writing: Proxy, capsys: pytest.CaptureFixture[str]
) -> None:
    writing.after_warm_up("01", "011")
    assert main(["latency", "cartpole", writing.word, "--chunk", "3", "--n", "4"]) == 0
    assert "answer failed: short 2 of 4" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("cut", [0, 3])
def test_the_table_tells_of_cut_plans_where_there_were_any(cut: int) -> None:
    summary = summarise(CARTPOLE, [])
    assert summary["cut_plans"] == 0
    table = evaluation_table({"task": "cartpole", "controller": "x", "summary": {**summary, "cut_plans": cut}})
    assert any("cut short" in str(cell) for cell in table.columns[0].cells) == bool(cut)


ASKED = {"cartpole, chat": Prompt(CARTPOLE, chunk=4), "lunarlander, compact": Prompt(LANDER, COMPACT, 4)}


@pytest.mark.parametrize("name", families.FAMILIES)
@pytest.mark.parametrize("prompt", ASKED.values(), ids=ASKED)
def test_each_digit_is_the_likeliest_after_those_before(name: str, prompt: Prompt) -> None:
    model, chunk = family(name), prompt.chunk
    for state in states(prompt, 2):
        plan = asked(model, prompt, state, Reading.SCORE)
        said, tokens = "", list[int]()
        digits = 3 if name == "llama3.2" else 1
        while len(said) < chunk:
            words = prompt.words(min(digits, chunk - len(said)))
            answers = model.answer_tokens(
                begun(prompt.messages(state), said) if said else prompt.messages(state), words
            )
            best = int(model.logprobs(prompt.messages(state), tokens)[-1, answers].argmax())
            said += words[best]
            tokens.append(answers[best])
        assert plan.text == said
        assert model.tokenize(model.render(prompt.messages(state)) + said)[-len(tokens) :] == tokens


def test_digits_that_are_read_together_are_chosen_together() -> None:
    for name in families.FAMILIES:
        prompt = Prompt(LANDER, chunk=5)
        together = digits_a_token(family(name), prompt, prompt.messages([0.0] * 8))
        assert together == (3 if name == "llama3.2" else 1)


@pytest.mark.parametrize("style", [SHOWN, replace(SHOWN, layout=Layout.COMPACT)], ids=["chat", "compact"])
def test_scores_give_the_digits_that_the_model_writes(style: PromptStyle) -> None:
    prompt = Prompt(CARTPOLE, style, 5)
    compared = 0
    for state in states(prompt, 6):
        scored = asked(embedded(), prompt, state, Reading.SCORE)
        written = asked(embedded(), prompt, state, Reading.GENERATE)
        if written.action is None:
            continue
        said = (written.action, *written.then)
        compared += len(said)
        assert (scored.action, *scored.then)[: len(said)] == said
    assert compared >= 6


@pytest.mark.parametrize("name", ["embedded", "recurrent", *families.FAMILIES])
@pytest.mark.parametrize("style", [PromptStyle(), COMPACT], ids=["chat", "compact"])
def test_a_further_digit_costs_one_token_and_no_reading_of_the_prompt(
    name: str, style: PromptStyle, recurrent: LlamaCpp, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = {"embedded": embedded, "recurrent": lambda: recurrent}.get(name, lambda: family(name))()
    controller = LanguageModelController(model, Prompt(CARTPOLE, style, 6), Reading.SCORE)
    controller.reset(0)
    choose, made = model.choose, list[Choice]()

    def recording(messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        made.append(choose(messages, choices))
        return made[-1]

    monkeypatch.setattr(model, "choose", recording)
    for number, state in enumerate(states(controller.prompt, 3)):
        made.clear()
        plan = controller.decide(Observation(state, 0))
        first, *further = [choice.new_tokens for choice in made]
        assert further == [1] * (1 if name == "llama3.2" else 5)  # of six digits, in threes or each alone
        assert plan.new_tokens == first + len(further)
        if number:  # recurrent models find out at the first decision where prompts part
            assert first < made[0].prefix_tokens


@pytest.mark.parametrize("name", families.FAMILIES)
@pytest.mark.parametrize("style", [PromptStyle(), SHOWN, COMPACT], ids=["chat", "shown", "compact"])
def test_the_tokens_of_a_begun_answer_are_those_of_the_whole_text_and_need_no_template(
    name: str, style: PromptStyle, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, prompt = family(name), Prompt(CARTPOLE, style, 3)
    rendered: list[Sequence[Message]] = []
    render = ChatTemplate.render

    def counting(self: ChatTemplate, messages: Sequence[Message]) -> str:
        rendered.append(messages)
        return render(self, messages)

    model.tokens(prompt.messages([0.0] * 4))
    for state in states(prompt, 3):
        messages = prompt.messages(state)
        expected = {said: model.tokenize(model.render(begun(messages, said))) for said in ("0", "10", "011")}
        with monkeypatch.context() as patch:
            patch.setattr(ChatTemplate, "render", counting)
            model.tokens(messages)
            found = {said: model.tokens(begun(messages, said)) for said in expected}
        assert found == expected
    assert not rendered


def test_several_threads_may_ask_for_plans_at_once() -> None:
    prompt, model = Prompt(CARTPOLE, chunk=5), family("qwen3")
    controller = LanguageModelController(model, prompt, Reading.SCORE)
    controller.reset(0)
    shown = [Observation(state, 0) for state in states(prompt, 6)]
    alone = [controller.decide(observation).text for observation in shown]
    with ThreadPoolExecutor(len(shown)) as threads:
        together = [threads.submit(controller.decide, observation) for observation in shown]
    assert [decision.result().text for decision in together] == alone


class Pairing:
    """A model that says ``00`` together and nothing else so."""

    info = ModelInfo("pairing", "test", None, None, (Reading.SCORE, Reading.GENERATE))

    def warm_up(self, messages: Sequence[Message]) -> None: ...

    def render(self, messages: Sequence[Message]) -> str:
        return ""

    def tokens(self, messages: Sequence[Message]) -> list[int]:
        return []

    def answer_tokens(self, messages: Sequence[Message], choices: Sequence[str]) -> list[int]:
        if len(choices[0]) > 1 or messages[-1] == Message("assistant", "0"):
            raise OntickError("not in one token")
        return list(range(len(choices)))

    def logprobs(
        self, messages: Sequence[Message], answer: Sequence[int]
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        raise NotImplementedError

    def text_logprobs(self, text: str) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
        raise NotImplementedError

    def choose(self, messages: Sequence[Message], choices: Sequence[str]) -> Choice:
        raise NotImplementedError

    def complete(self, messages: Sequence[Message], max_tokens: int) -> Completion:
        raise NotImplementedError


def test_a_model_whose_tokens_cannot_say_a_plan_is_refused_before_the_first_tick() -> None:
    model: LocalModel = Pairing()
    LanguageModelController(model, Prompt(CARTPOLE)).reset(0)
    LanguageModelController(model, Prompt(CARTPOLE, chunk=2), Reading.GENERATE).reset(0)
    with pytest.raises(OntickError, match="use --reading generate, or --chunk 1"):
        LanguageModelController(model, Prompt(CARTPOLE, chunk=2)).reset(0)


def test_a_language_model_is_not_rolled_forward() -> None:
    controller = LanguageModelController(family("qwen3"), Prompt(CARTPOLE, chunk=3))
    assert planning(controller, CARTPOLE, 3) is controller
