"""The rows of the LunarLander post: what broke, what was tried, and what landed in the end."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace

from ontick.reproduction import figures
from ontick.reproduction.late_flights import AHEAD, AHEAD_IN_WORDS, SLOW_API, under_each_rule
from ontick.reproduction.row import Row
from ontick.reproduction.tuning import tuning_for

TASK = "lunarlander"

PROMPT = (
    "--prompt.brief --prompt.layout compact --prompt.numbers fine "
    "--prompt.features 'right leg' 'left leg' x y angle vx vy spin"
)
"""How a model is asked that is trained: a token a value, and first those that seldom change."""

NOISES = "none actions:0.1 actions:0.3 pushes:0.05"

DISTIL = "--distil.teacher mlp:mlp/pilot"
"""Learn from the small network how sure it is of each action, in what the prompt tells it."""

RANK_64 = "--lora.rank 64 --lora.alpha 128"

STEPS_A_MINUTE = {"lora": 110, "full": 75}
"""Of a batch of 32 on two processor cores, by how a model is trained."""


@dataclass(frozen=True)
class Size:
    """How much is flown and trained."""

    demonstrations: int
    """Flights to learn from."""
    noisy: int
    """Flights with each noise."""
    flights: int
    """Episodes by which a policy is judged."""
    more_flights: int
    """Episodes by which the best is judged once more."""
    steps: int
    """Of the training that leads to the pilot."""
    rounds: int
    """Of DAgger."""
    round_steps: int
    round_flights: int
    tried_steps: int
    """Of each training that the post made on its way."""
    ablation_steps: int
    """Of each training that says what made the difference."""
    whole_story: bool
    """Whether the trainings are made that the post made on its way, and those that say what made the difference."""
    states: int = 100
    """Of the teacher's flights, to ask an untrained model about."""


QUICK = Size(
    demonstrations=500,
    noisy=60,
    flights=20,
    more_flights=20,
    steps=1200,
    rounds=1,
    round_steps=150,
    round_flights=8,
    tried_steps=1200,
    ablation_steps=600,
    whole_story=False,
)
FULL = Size(
    demonstrations=500,
    noisy=150,
    flights=20,
    more_flights=50,
    steps=4000,
    rounds=3,
    round_steps=500,
    round_flights=24,
    tried_steps=1200,
    ablation_steps=600,
    whole_story=True,
)


def rows(model: str, size: Size) -> tuple[Row, ...]:
    """Return the rows for a language model as the command line names it."""
    made = [*_before(model, size), *_the_chain(model, size)]
    if size.whole_story:
        made += _what_the_post_tried(model, replace(size, steps=size.tried_steps))
        made += _what_made_the_difference(model, replace(size, steps=size.ablation_steps))
    return tuple(made)


def _before(model: str, size: Size) -> list[Row]:
    """What needs no training of a language model."""
    word, many = shlex.quote(model), f"--episodes {size.flights}"
    return [
        Row(
            "api-latency",
            "the heuristic behind a line like a hosted API's",
            "crash in 1-1.6 s, mean about -129",
            under_each_rule(f"eval {TASK} teacher {many}", f"--delay {SLOW_API}")[::-1],
            figures.flights(),
            minutes=2,
        ),
        Row(
            "latency-curve",
            "latency curve of the heuristic",
            "no-op falls apart between 20 and 40 ms; hold is good to roughly 100 ms",
            (f"cliff {TASK} teacher",),
            figures.curve,
            minutes=0.3,
        ),
        Row(
            "heuristic",
            "the heuristic",
            "20/20 landed, 17/20 solved, mean about +262",
            (f"eval {TASK} teacher --episodes {size.more_flights} --clock virtual",),
            figures.flights("heuristic"),
            minutes=0.2,
        ),
        Row(
            "flights",
            f"{size.demonstrations} flights of the heuristic",
            "500 heuristic rollouts",
            (f"collect {TASK} --to flights/data --episodes {size.demonstrations}",),
            figures.data,
            minutes=0.5,
        ),
        Row(
            "mlp",
            "behaviour cloning by a small network",
            "18k parameters: 20/20 solved, mean about +271",
            (
                f"train {TASK} mlp --data flights/data --to mlp/pilot",
                f"eval {TASK} pilot:mlp/pilot --episodes {size.more_flights} --clock virtual",
            ),
            figures.trained(figures.flights(last=1)),
            after=("flights",),
            minutes=0.7,
        ),
        Row(
            "pretrained-states",
            "untrained, in single states",
            "some fine on static diagnostic states",
            (f"probe {TASK} {word} --states {size.states} --questions none",),
            figures.states,
            minutes=0.5,
        ),
        Row(
            "pretrained-flying",
            "untrained, flying",
            "none flies: always no-op, always main engine, always one side thruster, or overcorrection",
            (f"verdict {TASK} {word} --episodes 10",),
            figures.verdicts(),
            minutes=1,
        ),
    ]


def _the_chain(model: str, size: Size) -> list[Row]:
    """From noisy flights to the pilot that is shipped: balanced, noisy, taught by the small network, then DAgger."""
    return [
        Row(
            "noisy",
            "flights with random actions mixed in, labelled by the small network",
            "noisy rollouts (labelled by the heuristic)",
            (
                f"collect {TASK} --to noisy/data --actor mlp:mlp/pilot --labeller mlp:mlp/pilot "
                f"--noise {NOISES} --episodes {size.noisy} --seed 2100000",
            ),
            figures.data,
            after=("mlp",),
            minutes=1,
        ),
        _trained(
            "lora",
            "LoRA, balanced and noisy data, taught by the small network how sure it is",
            "all LoRA runs failed",
            "lora",
            "noisy",
            model,
            size,
            balance="sqrt",
            more=DISTIL,
            after=("mlp",),
        ),
        _corrected(
            "dagger",
            "DAgger on it",
            "56 % of visited states disagree, 51.6 % of the corrections are action 0; then 18/20 landed, 17/20 solved, "
            "+223.7, no timeouts; one more round is slightly worse",
            "lora",
            "lora",
            "noisy",
            model,
            size,
            labeller="--labeller mlp:mlp/pilot",
            after=("mlp",),
        ),
        *(
            Row(
                name,
                part,
                "50 seeds: 50/50 landed, 49/50 solved, +269.4",
                under_each_rule(f"eval {TASK} pilot:dagger/pilots/best --episodes {size.more_flights}", options),
                figures.flights(),
                after=("dagger",),
                minutes=size.more_flights / 4,
            )
            for name, part, options in (
                ("best", "the best of them, not the newest, in real time", ""),
                ("best-predicted", f"the same, {AHEAD_IN_WORDS}", AHEAD),
            )
        ),
        _asked("questions", "ordinary questions, after", "dagger"),
    ]


def _what_the_post_tried(model: str, size: Size) -> list[Row]:
    """The trainings on the way, with the heuristic as the teacher, as in the post."""
    return [
        Row(
            "noisy-heuristic",
            "flights of the heuristic with random actions mixed in",
            "noisy heuristic rollouts",
            (f"collect {TASK} --to noisy-heuristic/data --noise {NOISES} --episodes {size.noisy} --seed 2200000",),
            figures.data,
            minutes=0.5,
        ),
        _trained("lora-natural", "LoRA on natural flights", "failed", "lora", "flights", model, size),
        _trained("lora-rank", "LoRA of rank 64", "failed", "lora", "flights", model, size, more=RANK_64),
        _trained("lora-balanced", "LoRA, balanced", "failed", "lora", "flights", model, size, balance="sqrt"),
        _trained(
            "lora-noisy", "LoRA, balanced and noisy", "failed", "lora", "noisy-heuristic", model, size, balance="sqrt"
        ),
        _trained("full-natural", "full SFT on natural flights", "first landing", "full", "flights", model, size),
        _trained(
            "full-noisy",
            "full SFT, balanced and noisy",
            "v6: 12/20 landed, 10/20 solved, mean about +105; hovers to the time limit",
            "full",
            "noisy-heuristic",
            model,
            size,
            balance="sqrt",
        ),
        _corrected(
            "full-dagger",
            "DAgger on full SFT",
            "v7: 18/20 landed, 17/20 solved, +223.7, no timeouts",
            "full",
            "full-noisy",
            "noisy-heuristic",
            model,
            size,
            weight="--weight 2",
        ),
        _asked("full-questions", "ordinary questions, after full SFT", "full-dagger"),
    ]


def _what_made_the_difference(model: str, size: Size) -> list[Row]:
    """The LoRA of the chain with one thing changed at a time, in few steps, so that what learns faster shows."""
    tuning = tuning_for(model)
    changed = {
        "as-it-is": ("nothing changed", "", PROMPT),
        "rank-4": ("rank 4", "--lora.rank 4 --lora.alpha 8", PROMPT),
        "attention": ("adapters on the queries and values only", "--lora.targets q_proj v_proj", PROMPT),
        "slow": ("a tenth of the learning rate", tuning.rate(tuning.long_rate / 10), PROMPT),
        "decimals": ("the post's prompt: a chat, two decimals", "", "--prompt.numbers 2"),
        "labels": ("the network's labels, and not how sure it is", "", PROMPT),
        "heuristic": ("the heuristic's labels", "", PROMPT),
        "unbalanced": ("not balanced", "", PROMPT),
        "natural": ("the heuristic's natural flights and labels", "", PROMPT),
    }
    data = {"heuristic": "noisy-heuristic", "natural": "flights"}
    labels = {*data, "labels"}
    return [
        _trained(
            f"ablation-{name}",
            f"LoRA in {size.steps} steps: {what}",
            "",
            "lora",
            data.get(name, "noisy"),
            model,
            size,
            balance=None if name == "unbalanced" else "sqrt",
            more=more if name in labels else f"{DISTIL} {more}".strip(),
            prompt=prompt,
            after=() if name in labels else ("mlp",),
        )
        for name, (what, more, prompt) in changed.items()
    ]


def _trained(
    name: str,
    part: str,
    post: str,
    method: str,
    data: str,
    model: str,
    size: Size,
    *,
    balance: str | None = None,
    more: str = "",
    prompt: str = PROMPT,
    after: tuple[str, ...] = (),
) -> Row:
    """Return a row that trains a language model on another row's data, and flies it with time frozen.

    An option in ``more`` takes the place of the same one in the model's own settings: the last one given counts.
    """
    tuning = tuning_for(model)
    options = tuning.long_lora if method == "lora" else tuning.full
    words = [
        f"train {TASK} {method} --data {data}/data --to {name}/pilot --base {shlex.quote(model)} {prompt}",
        "" if balance is None else f"--balance {balance}",
        f"{options} --optimiser.steps {size.steps} --selection.every 0 {more}".strip(),
    ]
    return Row(
        name,
        part,
        post,
        (
            " ".join(filter(None, words)),
            f"eval {TASK} pilot:{name}/pilot --episodes {size.flights} --clock virtual --late hold",
        ),
        figures.trained(figures.flights("hold", last=1)),
        after=(data, *after),
        extras=("train",),
        memory_mb=tuning.memory_of(method),
        minutes=4 + size.steps / STEPS_A_MINUTE[method],
    )


def _corrected(
    name: str,
    part: str,
    post: str,
    method: str,
    begins: str,
    data: str,
    model: str,
    size: Size,
    *,
    labeller: str = "",
    weight: str = "",
    after: tuple[str, ...] = (),
) -> Row:
    """Return a row in which the pilot of the row ``begins``, trained by ``method``, learns from its own mistakes."""
    words = [
        f"dagger {TASK} {begins}/pilot --to {name}/pilots --data {data}/data",
        labeller,
        f"--rounds {size.rounds} --episodes {size.round_flights} --steps {size.round_steps}",
        weight,
        f"--evaluation-episodes {size.flights}",
    ]
    return Row(
        name,
        part,
        post,
        (" ".join(filter(None, words)),),
        figures.rounds,
        after=(begins, data, *after),
        extras=("train",),
        memory_mb=tuning_for(model).memory_of(method),
        minutes=size.rounds * (size.round_steps / STEPS_A_MINUTE[method] + 6),
    )


def _asked(name: str, part: str, rounds: str) -> Row:
    """Return a row in which the best pilot of another row's rounds is asked ordinary questions."""
    return Row(
        name,
        part,
        'all answered "0"',
        (f"probe {TASK} pilot:{rounds}/pilots/best --states 20 --questions all",),
        figures.questions,
        after=(rounds,),
        minutes=1.5,
    )
