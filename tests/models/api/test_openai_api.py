"""A model behind an API: against a real server over loopback, and a proxy that lets everything go wrong that can."""

from __future__ import annotations

import gc
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from api_server import FAILURE_OF, KEY, MODEL, PASS, RESETS, USAGE, Proxy, free_port
from ontick.contracts import WritingModelContract
from ontick.errors import OntickError
from ontick.models.base import LanguageModel, Message, ModelOptions, NoAnswer, Reading
from ontick.models.catalog import load_model

QUESTION = [Message("system", "Answer with one digit."), Message("user", "1 or 0?")]


def ready(proxy: Proxy, timeout_s: float = 10) -> LanguageModel:
    model = load_model(proxy.word, ModelOptions(timeout_s=timeout_s))
    model.warm_up(QUESTION)
    return model


class TestApi(WritingModelContract):
    @pytest.fixture(autouse=True)
    def _model(self, proxy: Proxy) -> None:
        self.model = load_model(proxy.word)

    def make_model(self) -> LanguageModel:
        return self.model


def test_it_can_only_be_read_by_what_it_writes(proxy: Proxy) -> None:
    info = load_model(proxy.word).info
    assert (info.name, info.backend, info.readings) == (MODEL, "api", (Reading.GENERATE,))


def test_a_question_is_asked_as_it_should_be(proxy: Proxy) -> None:
    ready(proxy).complete(QUESTION, 4)
    asked = proxy.questions[-1]
    assert asked.body == {
        "model": MODEL,
        "messages": [{"role": "system", "content": "Answer with one digit."}, {"role": "user", "content": "1 or 0?"}],
        "stream": True,
        "temperature": 0,
        "max_tokens": 4,
        "stream_options": {"include_usage": True},
    }
    assert asked.headers["authorization"] == f"Bearer {KEY}"


def test_one_connection_serves_all_questions(proxy: Proxy) -> None:
    model = ready(proxy)
    for _ in range(5):
        model.complete(QUESTION, 2)
    assert len(proxy.questions) == 6
    assert proxy.connections == 1


def test_several_questions_are_open_at_once(proxy: Proxy) -> None:
    model = ready(proxy)
    proxy.fault = lambda number: "slow"
    proxy.done.clear()
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(model.complete, QUESTION, 1) for _ in range(4)]
    assert all(answer.result().text for answer in asked)
    assert proxy.connections == 4  # one after another, the first would have done


@pytest.mark.parametrize("fault", [fault for fault in FAILURE_OF if fault != "empty"])
def test_what_goes_wrong_is_told_by_kind_and_the_key_never(fault: str, proxy: Proxy) -> None:
    model = ready(proxy, timeout_s=0.5)
    proxy.fault = lambda number: fault
    with pytest.raises(NoAnswer) as caught:
        model.complete(QUESTION, 4)
    assert caught.value.kind == FAILURE_OF[fault]
    assert KEY not in str(caught.getrepr(style="short", chain=True))
    assert "\n" not in str(caught.value)
    proxy.fault = lambda number: PASS
    model.complete(QUESTION, 1)
    assert proxy.done.count(fault) == 1  # it was not tried again


def test_a_rate_limit_is_told_with_its_reset_time(proxy: Proxy) -> None:
    model = ready(proxy)
    proxy.fault = lambda number: "429"
    with pytest.raises(NoAnswer) as caught:
        model.complete(QUESTION, 4)
    assert all(f"{name}: {value}" in str(caught.value) for name, value in RESETS.items())


def test_an_answer_does_not_wait_for_a_message_that_never_ends(proxy: Proxy) -> None:
    model = ready(proxy, timeout_s=60)
    proxy.fault = lambda number: "open end"
    assert model.complete(QUESTION, 4).elapsed_ms < 30_000


def test_an_empty_answer_is_one_to_be_parsed(proxy: Proxy) -> None:
    model = ready(proxy)
    proxy.fault = lambda number: "empty"
    said = model.complete(QUESTION, 4)
    assert (said.text, said.ttft_ms) == ("", None)


def test_the_first_token_is_timed_apart_from_the_end(proxy: Proxy) -> None:
    model = ready(proxy)
    proxy.fault = lambda number: "slow"
    said = model.complete(QUESTION, 4)
    assert said.ttft_ms is not None
    assert 300 <= said.ttft_ms < said.elapsed_ms  # the proxy waits that long, and four tokens follow


def test_tokens_are_counted_where_the_server_counts_them(proxy: Proxy) -> None:
    model = ready(proxy)
    assert model.complete(QUESTION, 1).prompt_tokens is None  # the real one does not, in a stream
    proxy.fault = lambda number: "digit"
    said = model.complete(QUESTION, 1)
    assert (said.prompt_tokens, said.completion_tokens) == (USAGE["prompt_tokens"], USAGE["completion_tokens"])
    assert said.text == "1"


@pytest.mark.parametrize(
    "rejects", [("stream_options",), ("max_tokens",), ("temperature",), ("temperature", "max_tokens", "stream_options")]
)
def test_what_a_server_rejects_is_learnt_before_the_flight(rejects: tuple[str, ...], proxy: Proxy) -> None:
    proxy.rejects = rejects
    model = ready(proxy)
    before = len(proxy.questions)
    model.complete(QUESTION, 4)
    assert len(proxy.questions) == before + 1
    body = proxy.questions[-1].body
    assert not set(rejects) & set(body)
    assert body.get("max_tokens", body.get("max_completion_tokens")) == 4


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("401", "refuses the key in ONTICK_API_KEY"),
        ("403", "forbids"),
        ("302", "sends elsewhere"),
        ("429", "retry-after: 7"),
        ("503", "out of order"),
        ("reset", "cannot reach"),
        ("hang", "within 0.5 s"),
    ],
)
@pytest.mark.parametrize("where", ["list", "question"])
def test_what_stands_in_the_way_shows_before_the_flight(fault: str, says: str, where: str, proxy: Proxy) -> None:
    if where == "list":
        proxy.fault_elsewhere = fault
    else:
        proxy.fault = lambda number: fault
    with pytest.raises(OntickError) as caught:
        ready(proxy, timeout_s=0.5)
    assert says in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_server_without_a_list_of_models_is_asked_all_the_same(proxy: Proxy) -> None:
    proxy.fault_elsewhere = "404"
    assert ready(proxy).complete(QUESTION, 1).text


def test_the_real_server_refuses_a_wrong_key(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONTICK_API_KEY", "sk-wrong-one")
    with pytest.raises(OntickError, match="refuses the key in ONTICK_API_KEY"):
        ready(proxy)
    monkeypatch.delenv("ONTICK_API_KEY")
    with pytest.raises(OntickError, match="wants a key; put it into ONTICK_API_KEY"):
        ready(proxy)


def test_a_model_that_the_server_does_not_have_is_told_with_those_that_it_has(proxy: Proxy) -> None:
    with pytest.raises(OntickError, match=r"no model 'smolm'; choose another, such as smollm2"):
        load_model(f"api:{proxy.url}#smolm").warm_up(QUESTION)
    assert not proxy.questions


def test_nobody_there_is_told() -> None:
    with pytest.raises(OntickError, match=r"cannot reach 127\.0\.0\.1"):
        load_model(f"api:http://127.0.0.1:{free_port()}/v1#m").warm_up(QUESTION)


def test_a_begun_answer_is_refused(proxy: Proxy) -> None:
    with pytest.raises(OntickError, match=r"--prompt\.layout chat"):
        load_model(proxy.word).warm_up([*QUESTION, Message("assistant", "1 2=")])


def test_nothing_from_the_environment_goes_to_a_foreign_host(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-openai-secret")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "sk-admin-secret")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-secret")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Mine: header-secret\nAuthorization: Bearer custom-secret")
    ready(proxy).complete(QUESTION, 1)
    monkeypatch.delenv("ONTICK_API_KEY")
    with pytest.raises(OntickError, match="wants a key"):
        ready(proxy)
    assert len(proxy.asked) > 3
    assert not any("secret" in value for asked in proxy.asked for value in asked.headers.values())


def test_the_line_is_used_before_each_episode_even_when_the_server_is_in_trouble(proxy: Proxy) -> None:
    model = ready(proxy)
    before = len(proxy.asked)
    model.warm_up(QUESTION)
    assert len(proxy.asked) == before  # it has just been used
    model._last_heard = float("-inf")  # pyright: ignore[reportAttributeAccessIssue]
    model.warm_up(QUESTION)
    assert [asked.method for asked in proxy.asked[before:]] == ["HEAD"]
    proxy.fault_elsewhere = "reset"
    model.warm_up(QUESTION)
    assert model.complete(QUESTION, 1).text


@pytest.mark.parametrize("timeout_s", [0, -1, float("inf"), float("nan")])
def test_a_time_limit_that_is_none_is_refused(timeout_s: float, proxy: Proxy) -> None:
    with pytest.raises(OntickError, match="give seconds"):
        ready(proxy, timeout_s)


def test_a_model_that_is_let_go_closes_its_line(proxy: Proxy) -> None:
    model = ready(proxy)
    assert len(proxy.serving) == 1
    del model
    gc.collect()
    deadline = time.monotonic() + 10
    while proxy.serving:
        assert time.monotonic() < deadline
        time.sleep(0.01)
