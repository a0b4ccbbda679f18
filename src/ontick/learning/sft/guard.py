"""Which traps make a fine-tuned model fail without any error? Each is looked for before the first step.

What is trained on must be what is asked in flight, there must be something to learn, and what is learnt from must not
be what checkpoints are judged by.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from ontick.dead_time import DeadTime
from ontick.errors import OntickError
from ontick.learning.dataset import Demonstrations, seed_ranges
from ontick.learning.sft.tokens import Asker, Asks, Examples
from ontick.models.base import Message
from ontick.models.hf.conversation import Conversation
from ontick.prompts import PromptStyle, begun
from ontick.records import State

LOOKED_AT = 64
"""Examples that are rendered and tokenised again in every way that they will be; they are spread over all of them."""

IGNORED = -100
"""What libraries put in place of a token that is not to be learnt."""


def check_labels(examples: Examples, vocabulary: int, weights: npt.NDArray[np.float64] | None = None) -> None:
    """See that there is something to learn.

    Raises:
        OntickError: every label is masked or weighs nothing, or one is no token of the model.
    """
    learnt = examples.targets != IGNORED
    if not learnt.any():
        raise OntickError("the labels of all examples are masked: nothing would be learnt; give labelled data")
    if not learnt.all():
        raise OntickError(f"{np.sum(~learnt)} examples have a masked label; leave them out of the data")
    wrong = (examples.targets < 0) | (examples.targets >= vocabulary)
    if wrong.any():
        raise OntickError(
            f"token {examples.targets[wrong][0]} is beyond the model's vocabulary of {vocabulary}; "
            "its tokenizer belongs to another model, give the right one"
        )
    if weights is None:
        return
    if weights.shape != examples.targets.shape:
        raise OntickError(f"there are {len(weights)} weights for {len(examples.targets)} examples; give one for each")
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.sum() > 0:
        raise OntickError("the weights of the examples leave nothing to learn; give some that are above zero")


def check_room(examples: Examples, context_tokens: int | None) -> None:
    """See that no prompt is longer than the model reads, which would cut its answer off.

    Raises:
        OntickError: one is.
    """
    longest = len(examples.prefix) + max(len(suffix) for suffix in examples.suffixes) + 1
    if context_tokens is not None and longest > context_tokens:
        raise OntickError(
            f"a prompt with its answer has {longest} tokens and the model reads {context_tokens}: the answer would be "
            "cut off; give fewer --prompt.examples"
        )


def check_seeds(demos: Demonstrations, judged: Iterable[int]) -> None:
    """See that no episode that is learnt from is one that checkpoints are judged by.

    Raises:
        OntickError: one is.
    """
    both = demos.flown_seeds & set(judged)
    if both:
        first, last = seed_ranges(both)[0]
        which = f"seed {first}" if first == last else f"seeds {first} to {last}"
        raise OntickError(
            f"the evaluation flies {which}, which the data holds too, so it would prove nothing; "
            "choose another --selection.first-seed"
        )


def check_pending(style: PromptStyle, dead_time: DeadTime | None) -> None:
    """See that what the prompt is to show is in the data.

    Raises:
        OntickError: the prompt shows pending actions, and none are.
    """
    if style.pending and dead_time is None:
        raise OntickError(
            "--prompt.pending shows actions that act before the answer, and the data was collected for no latency; "
            "leave it out, or collect with --latency"
        )


def check_answers(asker: Asker, demos: Demonstrations, examples: Examples) -> None:
    """See that what is learnt is what the model would be asked and would answer, token by token.

    The conversation with its answer, rendered and tokenised as a whole, must be the prompt and then one token, the
    label.

    Raises:
        OntickError: it is not.
    """
    conversation, prompt = asker.conversation, asker.prompt
    rows = demos.rows(prompt.style.pending)
    for number in spread(len(demos), LOOKED_AT):
        answered = begun(prompt.asked(rows[number]), prompt.choices[int(demos.actions[number])])
        whole = conversation.tokenize(conversation.template.render(answered))
        if whole != [*examples.whole(number), int(examples.targets[number])]:
            raise OntickError(
                f"the prompt of example {number} is not tokenised alike with and without its answer; "
                "use another model or another --prompt"
            )


def check_same_prompts(trained: Asks, asked: Asks, states: Iterable[State], where: str) -> None:
    """See that another reader of the same model reads the same tokens: ``where`` says which one.

    Raises:
        OntickError: it reads others.
    """
    for state in states:
        if trained.prompt_tokens(state) != asked.prompt_tokens(state):
            raise OntickError(
                f"{where} renders the prompt with other tokens than training does: its chat template or tokenizer "
                "differs; give a base model whose files agree"
            )
        if trained.answer_tokens(state) != asked.answer_tokens(state):
            raise OntickError(
                f"{where} says the actions with other tokens than training does; give a base model whose files agree"
            )


def check_same_chats(student: Conversation, base: Conversation, chats: Iterable[Sequence[Message]]) -> None:
    """See that a model reads conversations as its base does, whose words it is to keep.

    Raises:
        OntickError: its chat template or its tokenizer is another one.
    """
    for chat in chats:
        if student.tokens.tokens(chat) != base.tokens.tokens(chat):
            raise OntickError(
                "the model reads conversations as other tokens than its base: another chat template or tokenizer; "
                "rehearse nothing (leave out --keep), or begin with a model whose files agree"
            )


def spread(n: int, count: int) -> Sequence[int]:
    """Return up to ``count`` places spread over n."""
    return sorted(set(np.linspace(0, n - 1, min(n, count)).astype(int).tolist()))
