"""What does a language model still know? It is asked ordinary questions, and so is the model that it was made from.

Two measures: the share of what the base model answers right that is *still right*, and how far the model's words have
moved, KL(base || model) of the next token at each place of the base's own answers, so that both are asked about the
same texts. Beside them stands how far it has moved where it flies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ontick.controllers.pilot import is_pilot_word
from ontick.errors import OntickError
from ontick.evaluation.questions import Question
from ontick.evaluation.statistics import bootstrap_ci95, wilson_ci95
from ontick.models.base import Completion, LanguageModel, LocalModel, Message, ModelOptions, NoAnswer
from ontick.models.catalog import EMBEDDED, is_model_word, load_model
from ontick.pilots.card import read_card
from ontick.pilots.find import find_pilot
from ontick.pilots.load import TRANSFORMERS
from ontick.records import Json

ANSWER_TOKENS = 32

PROSE = Path(__file__).with_name("prose.txt")
"""General text that nothing here is trained on: ours, paragraphs between empty lines."""


@dataclass(frozen=True)
class Base:
    """The model that another one was made from."""

    word: str
    model: LanguageModel


def find_base(controller: str, options: ModelOptions, model: LanguageModel, word: str | None = None) -> Base | None:
    """Load what ``model`` is compared with: ``word``, or else a pilot's base, or the weights below an adapter.

    It is loaded as ``model`` was, without the adapter and, for a pilot, in the pilot's own quantisation, so that only
    the training differs. None: the model itself is the base.

    Raises:
        OntickError: it cannot be loaded.
    """
    if word is None:
        word = _known_base(controller, options)
    if word is None:
        return None
    check_base(word)
    options = replace(options, adapter=None)
    if model.info.backend == TRANSFORMERS:
        word = f"hf:{EMBEDDED}" if word == EMBEDDED else word
    elif is_pilot_word(controller) and model.info.quantisation is not None:
        options = replace(options, quantisation=model.info.quantisation.lower())
    return Base(word, load_model(word, options))


def check_base(word: str) -> None:
    """Refuse a base that is no language model.

    Raises:
        OntickError: it is none.
    """
    if not is_model_word(word):
        raise OntickError(f"--base {word} is no language model; give {EMBEDDED}, gguf:PATH or hf:PATH_OR_HUB_ID")


def _known_base(controller: str, options: ModelOptions) -> str | None:
    if is_pilot_word(controller):
        return read_card(find_pilot(controller)).base
    return controller if options.adapter else None


def ask_questions(
    model: LanguageModel,
    base: Base | None,
    questions: Sequence[Question],
    *,
    divergence: bool,
    on_answer: Callable[[Json], None] = lambda answered: None,
) -> list[Json]:
    """Ask each question of the model and of its base; return an object for each, ``on_answer`` gets it at once.

    ``divergence``: the two can be compared token by token, and are (`why_no_divergence` tells).

    Raises:
        OntickError: a model cannot be asked.
    """
    answers: list[Json] = []
    for question in questions:
        asked = [Message("user", question.text)]
        said, failure = _complete(model, asked)
        before, base_failure = _complete(base.model, asked) if base else (None, None)
        kl_nats = None
        if divergence and before and isinstance(model, LocalModel) and base and isinstance(base.model, LocalModel):
            kl_nats = divergence_nats(*(which.logprobs(asked, before.tokens or ()) for which in (base.model, model)))
        answers.append(
            {
                "kind": question.kind,
                "question": question.text,
                "answer": said and said.text,
                "failure": failure,
                "right": said is not None and question.right(said.text),
                "base_answer": before and before.text,
                "base_failure": base_failure,
                "base_right": None if base is None else before is not None and question.right(before.text),
                "kl_nats": kl_nats,
            }
        )
        on_answer(answers[-1])
    return answers


def _complete(model: LanguageModel, asked: Sequence[Message]) -> tuple[Completion | None, str | None]:
    try:
        return model.complete(asked, ANSWER_TOKENS), None
    except NoAnswer as none:
        return None, none.kind


def why_no_divergence(model: LanguageModel, base: LanguageModel, questions: Sequence[Question]) -> str | None:
    """Say why the two models' words cannot be compared token by token; None if they can."""
    if not (isinstance(model, LocalModel) and isinstance(base, LocalModel)):
        return "an API does not tell how likely all tokens are"
    for question in questions:
        asked = [Message("user", question.text)]
        if model.tokens(asked) != base.tokens(asked):
            return "it reads the questions as other tokens than its base: another tokenizer or chat template"
    if questions:
        asked = [Message("user", questions[0].text)]
        sizes = [which.logprobs(asked, ()).shape[1] for which in (model, base)]
        if sizes[0] != sizes[1]:
            return f"it has {sizes[0]} tokens and its base {sizes[1]}: another tokenizer"
    return None


def divergence_nats(base: npt.NDArray[np.float32], model: npt.NDArray[np.float32]) -> float:
    """Return the mean over rows of KL(base || model), both log-probabilities of shape (rows, vocabulary)."""
    total = 0.0
    for expected, found in zip(base.astype(np.float64), model.astype(np.float64), strict=True):
        p = np.exp(expected)
        possible = p > 0
        # The rows are normalised up to rounding only, which may take equal ones a little below nothing.
        total += max(0.0, float(p[possible] @ (expected - found)[possible]))
    return total / len(base)


def measure_moved(
    model: LanguageModel,
    base: Base | None,
    prompts: Sequence[Sequence[Message]],
    on_prompt: Callable[[], None] = lambda: None,
) -> Json | None:
    """Return KL(base || model) of the first token of the answer to each prompt, the mean and its bootstrap interval.

    Asked about flying, it says how far the policy has moved. None without a base, prompts, or all tokens' odds;
    `why_no_divergence` tells whether the two can be compared.
    """
    if not (prompts and base and isinstance(model, LocalModel) and isinstance(base.model, LocalModel)):
        return None
    found: list[float] = []
    for prompt in prompts:
        found.append(divergence_nats(base.model.logprobs(prompt, ()), model.logprobs(prompt, ())))
        on_prompt()
    return {"n": len(found), **_mean_nats(found)}


def _mean_nats(found: Sequence[float]) -> Json:
    """Return the mean of some divergences and its bootstrap interval."""
    return {
        "kl_nats": sum(found) / len(found) if found else None,
        "kl_ci95": list(bootstrap_ci95(found)) if found else None,
    }


def read_prose() -> tuple[str, ...]:
    """Return the paragraphs of the held-out text."""
    return tuple(paragraph.strip() for paragraph in PROSE.read_text(encoding="utf-8").split("\n\n"))


def perplexity(logprobs: Sequence[npt.NDArray[np.float32]]) -> float:
    """Return exp of the mean surprise over all tokens of some texts, from `LocalModel.text_logprobs` of each."""
    return float(np.exp(-np.concatenate(logprobs).astype(np.float64).mean()))


def measure_prose(
    model: LanguageModel, base: Base | None, on_paragraph: Callable[[], None] = lambda: None
) -> Json | None:
    """Return the perplexity of the held-out text, and that of the base beside it; None where tokens are not told."""
    if not isinstance(model, LocalModel):
        return None
    beside = base.model if base and isinstance(base.model, LocalModel) else None
    told, known = list[npt.NDArray[np.float32]](), list[npt.NDArray[np.float32]]()
    for paragraph in read_prose():
        told.append(model.text_logprobs(paragraph))
        if beside is not None:
            known.append(beside.text_logprobs(paragraph))
        on_paragraph()
    found = perplexity(told)
    before = perplexity(known) if known else None
    return {
        "tokens": sum(map(len, told)),
        "perplexity": found,
        "base_perplexity": before,
        "ratio": None if before is None else found / before,
    }


def describe_answers(answers: Sequence[Json], base: Base | None, why_no_kl: str | None) -> Json:
    """Return what the answers come to; intervals are 95 %, of shares Wilson's, of the divergence a bootstrap."""
    right = sum(answer["right"] for answer in answers)
    kinds = dict.fromkeys(answer["kind"] for answer in answers)
    return {
        "n": len(answers),
        "right": right,
        "share": right / len(answers),
        "share_ci95": list(wilson_ci95(right, len(answers))),
        "kinds": {kind: _count([a for a in answers if a["kind"] == kind], base) for kind in kinds},
        "base": base and {**_describe_base(answers, base), "why_no_kl": why_no_kl},
    }


def _count(answers: Sequence[Json], base: Base | None) -> Json:
    known = [answer for answer in answers if answer["base_right"]]
    return {
        "n": len(answers),
        "right": sum(answer["right"] for answer in answers),
        "base_right": len(known) if base else None,
        "still_right": sum(answer["right"] for answer in known) if base else None,
    }


def _describe_base(answers: Sequence[Json], base: Base) -> Json:
    counted = _count(answers, base)
    known, still = counted["base_right"], counted["still_right"]
    divergences = [answer["kl_nats"] for answer in answers if answer["kl_nats"] is not None]
    info = base.model.info
    return {
        "word": base.word,
        "model": info.name,
        "backend": info.backend,
        "quantisation": info.quantisation,
        "right": known,
        "still_right": still,
        "still_right_share": still / known if known else None,
        "still_right_ci95": list(wilson_ci95(still, known)) if known else None,
        **_mean_nats(divergences),
    }
