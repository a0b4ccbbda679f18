"""What is rehearsed is what the base says and thinks, both are read as if each stood alone, and forgetting shows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import families
import students
from ontick.cache import cache_folder
from ontick.cli import main
from ontick.errors import OntickError
from ontick.evaluation.questions import Question
from ontick.learning.sft import guard
from ontick.learning.sft.general import SHIPPED, Chat, chats_digest, choose_chats, read_chats
from ontick.learning.sft.model import load_word
from ontick.learning.sft.plan import Lesson
from ontick.learning.sft.rehearsal import Keeper, Rehearsal, divergence, rehearsal_of
from ontick.learning.sft.retention import Retention
from ontick.learning.sft.settings import KeepChanges, KeepOptions, SftSettings, settings_of
from ontick.learning.sft.shared import BatchReader, SharedPrefix, WholePrompts, fitting_reader
from ontick.learning.sft.talk import talk_of
from ontick.learning.sft.tokens import with_conversations
from ontick.learning.sft.train import fine_tune
from ontick.models.base import Message, ModelOptions
from ontick.models.hf.conversation import Conversation
from ontick.models.hf.load import Loaded
from ontick.models.hf.model import HuggingFace
from ontick.models.hf.write import write_many
from ontick.pilots.card import read_card
from ontick.tasks import find_task

CARTPOLE = find_task("cartpole")
EXACT = ModelOptions(dtype="float32", device="cpu", threads=1)

CHATS: tuple[Chat, ...] = (
    (Message("user", "0.1 left 22"),),
    (Message("user", "9 right"), Message("assistant", "1 right")),
    (
        Message("system", "left 0"),
        Message("user", "7"),
        Message("assistant", "8"),
        Message("user", "5 left right 3"),
    ),
)


def tiny() -> Loaded:
    return load_word(f"hf:{students.tiny_model()}", EXACT)


def rehearsal(base: Loaded | None = None, chats: Sequence[Chat] = CHATS, digest: str = "some weights") -> Rehearsal:
    base = base or tiny()
    return rehearsal_of(base, talk_of(base, chats, 6, digest), digest)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def alone(model: Any, tokens: Sequence[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([list(tokens)]), use_cache=False).logits[0].float()


@pytest.mark.parametrize("name", families.FAMILIES)
@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("begins", [(9, 4), (9, 0), (0, 4)])
def test_batches_in_one_are_read_as_if_each_prompt_stood_alone(
    name: str, shares: bool, begins: tuple[int, int]
) -> None:
    model, _ = families.plain_model(name)
    reader: BatchReader = SharedPrefix(model.config) if shares else WholePrompts()
    generator = np.random.default_rng(0)

    def tokens(count: int) -> list[int]:
        return generator.integers(5, 300, count).tolist()

    flying, flown = tokens(begins[0]), [tokens(3), tokens(1), tokens(5)]
    talking, talked = tokens(begins[1]), [tokens(7), tokens(2)]
    both = reader.together(reader.batch(flying, flown), reader.batch(talking, talked, each=True))
    with torch.no_grad():
        found = reader.logits(model, reader.together(both, both)).float()
    expected = [alone(model, [*flying, *rest])[-1:] for rest in flown]
    expected += [alone(model, [*talking, *rest])[len(talking) :] for rest in talked]
    expected += expected
    torch.testing.assert_close(found, torch.cat(expected), atol=2e-3, rtol=1e-3)


def test_what_is_rehearsed_is_what_the_base_says_and_thinks() -> None:
    base, made = tiny(), rehearsal()
    speaker = HuggingFace(str(students.tiny_model()), options=EXACT)
    conversation = Conversation(base.tokenizer, base.name)
    for number, chat in enumerate(CHATS):
        whole = [*made.talk.prefix, *made.talk.chats[number].tolist()]
        begins = len(made.talk.prefix) + made.talk.answers[number]
        prompt = conversation.tokens.tokens(chat if chat[-1].role == "user" else chat[:-1])
        assert whole[:begins] == prompt
        said = speaker.complete(chat, 6) if chat[-1].role == "user" else None
        if said is not None:
            assert whole[begins:][: len(said.tokens or ())] == list(said.tokens or ())
        else:
            assert base.tokenizer.decode(whole[begins:], skip_special_tokens=True) == chat[-1].content
        thought = torch.log_softmax(alone(base.model, whole), -1)[len(made.talk.prefix) : -1]
        kept = torch.tensor(made.logprobs[number])
        likeliest = torch.tensor(made.tokens[number].astype(np.int64))
        torch.testing.assert_close(kept, thought.gather(1, likeliest), atol=1e-3, rtol=1e-3)
        assert (kept[:, 0] >= thought.max(-1).values - 1e-3).all()


def test_it_is_made_once_for_the_same_weights_and_conversations(monkeypatch: pytest.MonkeyPatch) -> None:
    base = tiny()
    first = rehearsal(base)

    def anew(*_: Any) -> Any:
        pytest.fail("it is made anew")

    monkeypatch.setattr("ontick.learning.sft.talk.write_many", anew)
    monkeypatch.setattr("ontick.learning.sft.rehearsal.read_logits", anew)
    again = rehearsal(base)
    assert again.talk.prefix == first.talk.prefix
    assert again.talk.answers == first.talk.answers
    pairs = zip((*first.talk.chats, *first.logprobs), (*again.talk.chats, *again.logprobs), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one, other)
    monkeypatch.undo()
    assert len(rehearsal(base, CHATS[:2], "other weights")) == 2


def test_an_answer_is_made_once_whatever_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    base, asked = tiny(), list[int]()

    def counting(model: Any, prompts: Any, *more: Any) -> Any:
        asked.append(len(prompts))
        return write_many(model, prompts, *more)

    monkeypatch.setattr("ontick.learning.sft.talk.write_many", counting)
    more = (Message("user", "4 4 left"),)
    first = talk_of(base, CHATS[:2], 6, "some weights")
    both = talk_of(base, (more, *CHATS), 6, "some weights")
    assert asked == [1, 2], "one of the conversations has an answer of its own"
    for number in range(2):
        one, other = ([*talk.prefix, *talk.chats[n].tolist()] for talk, n in ((first, number), (both, number + 1)))
        assert one == other
    (place,) = (cache_folder() / "answers").iterdir()
    for damaged in (place.read_text()[:-9], "[]", '{"1 2": []}', '{"1 2": "no"}'):
        place.write_text(damaged)
        assert talk_of(base, CHATS[:1], 6, "some weights").chats[0].tolist()
    assert asked == [1, 2, 1, 1, 1, 1]


@given(st.lists(st.floats(-6, 6), min_size=24, max_size=24), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_the_divergence_of_a_few_tokens_is_never_more_than_that_of_all(draws: list[float], few: int) -> None:
    base, model = (
        torch.log_softmax(torch.tensor(part).reshape(2, 6).double(), -1) for part in (draws[:12], draws[12:])
    )
    whole = float((base.exp() * (base - model)).sum(-1).mean())
    chosen = base.topk(few, -1).indices
    found = float(divergence(base.gather(1, chosen), model.gather(1, chosen)))
    assert -1e-6 <= found <= whole + 1e-5
    assert float(divergence(base, model)) == pytest.approx(whole, abs=1e-5)
    assert float(divergence(base.gather(1, chosen), base.gather(1, chosen))) == pytest.approx(0, abs=1e-6)


def test_the_base_itself_costs_no_divergence_and_its_own_words_some_surprise() -> None:
    base, made = tiny(), rehearsal()
    reader = fitting_reader(base.model, made.talk.prefix, [chat[:-1].tolist() for chat in made.talk.chats])
    batch, kept = Keeper(made, reader, kl=1, replay=0).batch([0, 1, 2])
    with torch.no_grad():
        logits = reader.logits(base.model, batch)
    near = Keeper(made, reader, kl=1, replay=0).loss(logits, kept)
    assert float(near) == pytest.approx(0, abs=1e-5)
    moved = logits + torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
    assert float(Keeper(made, reader, kl=2, replay=0).loss(moved, kept)) > 0.1
    surprise = Keeper(made, reader, kl=0, replay=3).loss(logits, kept)
    expected, places = 0.0, 0
    for number in range(len(made)):
        whole = [*made.talk.prefix, *made.talk.chats[number].tolist()]
        begins = len(made.talk.prefix) + made.talk.answers[number]
        said = torch.log_softmax(alone(base.model, whole), -1)
        expected -= sum(float(said[place - 1, whole[place]]) for place in range(begins, len(whole)))
        places += len(whole) - begins
    assert float(surprise) == pytest.approx(3 * expected / places, rel=1e-4)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_every_part_of_every_step_has_its_share_of_both(steps: int, flights: int, chats: int, parts: int) -> None:
    order, conversations = np.arange(steps * parts * flights), np.arange(steps * parts * chats)
    dealt = with_conversations(order, conversations, steps * parts).reshape(steps * parts, -1)
    assert dealt.shape[1] == flights + chats
    assert ((dealt >= 0).sum(1) == flights).all()
    assert dealt[dealt >= 0].tolist() == order.tolist()
    assert (~dealt[dealt < 0]).tolist() == conversations.tolist()


def train(to: Path, keep: KeepOptions, **more: Any) -> Any:
    plain = students.settings(**more)
    learnt = replace(plain, keep=keep, optimiser=replace(plain.optimiser, learning_rate=3e-3))
    return fine_tune(CARTPOLE, Lesson(students.taught_states(300)), learnt, to)


def written(chats: Sequence[Chat], to: Path) -> str:
    to.write_text("".join(json.dumps({"messages": [m._asdict() for m in chat]}) + "\n" for chat in chats))
    return str(to)


def test_a_model_that_rehearses_stays_nearer_its_base(tmp_path: Path) -> None:
    file = written(CHATS, tmp_path / "chats.jsonl")
    free = train(tmp_path / "free", KeepOptions(), steps=30, every=0)
    kept = train(tmp_path / "kept", KeepOptions(kl=3, conversations=file, batch=2), steps=30, every=0)
    assert "retention" not in free.metrics or free.metrics["retention"] is None
    assert kept.metrics["retention"]["questions"] == 96
    assert "keep" not in free.settings
    assert settings_of(read_card(tmp_path / "kept").settings).keep == KeepOptions(kl=3, conversations=file, batch=2)
    made = rehearsal()
    reader = WholePrompts()
    costs = list[float]()
    for pilot in ("free", "kept"):
        batch, what = Keeper(made, reader, kl=1, replay=0).batch([0, 1, 2])
        with torch.no_grad():
            logits = reader.logits(load_word(f"hf:{tmp_path / pilot}", EXACT).model, batch)
        costs.append(float(Keeper(made, reader, kl=1, replay=0).loss(logits, what)))
    assert costs[1] < costs[0] / 2


def test_knowledge_counts_as_the_trade_off_wants(tmp_path: Path) -> None:
    file = written(CHATS, tmp_path / "chats.jsonl")
    plain = students.settings(steps=4, every=2)
    keep = KeepOptions(replay=1, conversations=file)
    chosen = replace(plain, keep=keep, selection=replace(plain.selection, tradeoff=1.0))
    card = fine_tune(CARTPOLE, Lesson(students.taught_states(300)), chosen, tmp_path / "p")
    evaluations = card.metrics["evaluations"]
    best = max(evaluations, key=lambda found: (found["kept"], found["step"]))
    assert card.metrics["best_step"] == best["step"]
    assert card.metrics["retention"]["kept"] == pytest.approx(best["kept"])


def test_what_is_left_is_all_of_the_base_in_the_base_and_less_in_another(caplog: pytest.LogCaptureFixture) -> None:
    base = tiny()
    asked = [Question("echo", "0.1 left", lambda question, answer: True), Question("none", "2", lambda q, a: False)]
    memory = Retention(base, asked, [[5, 6, 7], [9, 8]], "tiny")
    left = memory.measure(base.model)
    assert (left["base_right"], left["still_right"], left["kept"]) == (1, 1, 1.0)
    assert left["perplexity_ratio"] == pytest.approx(1)
    assert left["kl_flying_nats"] == pytest.approx(0, abs=1e-5)
    other = tiny().model
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weights in other.parameters():
            weights.add_(0.05 * torch.randn(weights.shape, generator=generator))
    moved = memory.measure(other)
    expected = list[float]()
    for prompt in ([5, 6, 7], [9, 8]):
        said, says = (torch.log_softmax(alone(model, prompt)[-1], -1) for model in (base.model, other))
        expected.append(float((said.exp() * (said - says)).sum()))
    assert moved["kl_flying_nats"] == pytest.approx(sum(expected) / 2, rel=1e-3)
    assert moved["perplexity_ratio"] != pytest.approx(1, abs=1e-3)


def test_what_the_base_says_is_kept_as_long_as_it_and_what_it_is_asked_are_the_same(monkeypatch: Any) -> None:
    base, written = tiny(), list[int]()

    def counting(model: Any, prompts: Any, *more: Any) -> Any:
        written.append(len(prompts))
        return write_many(model, prompts, *more)

    monkeypatch.setattr("ontick.learning.sft.retention.write_many", counting)
    asked = [Question("echo", "0.1 left", lambda question, answer: "e" in answer)]
    first = Retention(base, asked, [[5, 6, 7]], "one").measure(base.model)
    assert written == [1, 1]  # the base, and what was measured
    assert Retention(base, asked, [[5, 6, 7]], "one").measure(base.model) == first
    assert written == [1, 1, 1]
    (place,) = (cache_folder() / "spoken").iterdir()
    whole = place.read_text()
    for damaged in (whole[:-4], "[]", json.dumps({"answers": [], "perplexity": 1.0})):
        place.write_text(damaged)
        assert Retention(base, asked, [[5, 6, 7]], "one").measure(base.model) == first
        assert place.read_text() == whole
    written.clear()
    Retention(base, asked, [[5, 6, 7]], "another")
    Retention(base, [*asked, Question("echo", "more", lambda question, answer: True)], [[5, 6, 7]], "one")
    assert written == [1, 2]


def test_forgetting_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    def forgets(*_: Any) -> Any:
        return {"still_right": 3, "base_right": 9, "still_right_share": 1 / 3, "perplexity_ratio": 1.0, "kept": 0.3}

    monkeypatch.setattr(Retention, "measure", forgets)
    file = written(CHATS, tmp_path / "chats.jsonl")
    with caplog.at_level("WARNING"):
        train(tmp_path / "p", KeepOptions(kl=1, conversations=file), steps=1, every=0)
    assert "3 of the 9 questions" in caplog.text
    assert "--keep.kl" in caplog.text


def test_a_students_other_template_is_refused() -> None:
    ours, others = (load_word(f"hf:{families.folder_of(name)}", EXACT) for name in ("smollm2", "qwen3"))
    one, other = (Conversation(loaded.tokenizer, loaded.name) for loaded in (ours, others))
    guard.check_same_chats(one, one, CHATS)
    with pytest.raises(OntickError, match="another chat template or tokenizer"):
        guard.check_same_chats(one, other, CHATS)


def test_ours_are_many_and_have_no_answer() -> None:
    chats = choose_chats(SHIPPED)
    assert len(chats) >= 300
    assert all(chat[-1].role == "user" for chat in chats)
    assert chats_digest(chats) != chats_digest(chats[1:])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no conversation"),
        ("\n\n", "holds no conversation"),
        ("what is rain?\n", "line 1 of .* is no conversation"),
        ('{"messages": []}\n', "no list of messages"),
        ('{"messages": [{"role": "user", "content": "a"}]}\n{"prompt": "b"}\n', "line 2 of .* no list of messages"),
        ('{"messages": [{"role": "robot", "content": "a"}]}\n', "the role 'robot' is none of"),
        ('{"messages": [{"role": "user", "content": " "}]}\n', "without words"),
        ('{"messages": [{"role": "system", "content": "a"}]}\n', "no user's words"),
        ('{"messages": ["a"]}\n', "the role None"),
    ],
)
def test_a_file_that_is_none_is_refused_before_anything_is_made(
    tmp_path: Path, content: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_text(content)
    with pytest.raises(OntickError, match=message):
        read_chats(file)
    words = f"train cartpole full --data {students.dataset()} --to {tmp_path / 'p'} --base hf:{students.tiny_model()}"
    assert main([*words.split(), "--keep.kl", "1", "--keep.conversations", str(file)]) == 2
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) <= 3
    assert "Traceback" not in said
    assert not (tmp_path / "p").exists()


def test_questions_that_are_none_are_refused_before_a_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("ontick.learning.sft.train.make_student", load)
    file = tmp_path / "questions.jsonl"
    file.write_text('{"question": "What is the capital of Italy?"}\n')
    words = f"train cartpole full --data {students.dataset()} --to {tmp_path / 'p'} --base hf:{students.tiny_model()}"
    assert main([*words.split(), "--keep.kl", "1", "--keep.questions", str(file)]) == 2
    assert "line 1" in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        (KeepOptions(kl=-1), "--keep.kl"),
        (KeepOptions(kl=float("nan")), "--keep.kl"),
        (KeepOptions(kl=1, batch=0), "--keep.batch 0"),
        (KeepOptions(replay=1, answer_tokens=0), "--keep.answer-tokens 0"),
        (KeepOptions(conversations="mine.jsonl"), "add --keep.kl"),
        (KeepOptions(kl=1, bound=2), "--keep.bound"),
    ],
)
def test_settings_that_mean_nothing_are_refused(keep: KeepOptions, message: str) -> None:
    with pytest.raises(OntickError, match=message):
        replace(SftSettings(), keep=keep).check()


def test_changes_leave_the_rest_as_it_was() -> None:
    keep = KeepOptions(kl=2, batch=3)
    assert KeepChanges().of(keep) == keep
    assert KeepChanges(kl=0, replay=1).of(keep) == KeepOptions(kl=0, replay=1, batch=3)
