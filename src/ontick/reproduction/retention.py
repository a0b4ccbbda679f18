"""The rows of what the posts left open: a pilot that lands and still talks, and what each way to that costs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ontick.reproduction import cartpole, figures, lunar_lander
from ontick.reproduction.row import Row, chosen
from ontick.reproduction.tuning import tuning_for

TASK = lunar_lander.TASK

FREE = "ablation-as-it-is"
"""The row of the training that keeps nothing: what all others are compared with."""

KEEP = "--keep.aim 8 --keep.kl 1.5 --keep.answer-tokens 32"
"""What is rehearsed by the pilots that are meant to talk."""

NARROW = {
    "ablation-slow": "a tenth of the learning rate",
    "ablation-rank-4": "rank 4",
    "ablation-attention": "queries and values only",
}
"""Ways to change less, of `lunar_lander`: what each is called beside the others."""

KEPT = {
    "keep-both": ("aimed, divergence 1.5", KEEP),
    "keep-aim": ("aimed", "--keep.aim 8 --keep.answer-tokens 32"),
    "keep-kl": ("divergence 1.5", "--keep.kl 1.5 --keep.answer-tokens 32"),
    "keep-replay": ("replay 1", "--keep.replay 1 --keep.answer-tokens 32"),
}
"""Ways to keep: what each is called, and its options."""

AVERAGED = {"averaged": FREE, "averaged-kept": "keep-both"}
"""Lines between the base and a row's pilot."""


@dataclass(frozen=True)
class Size:
    """How much is flown and trained."""

    lander: lunar_lander.Size
    """Of the rows that are the lander's."""
    flights: int
    """In real time, of the pilots that are meant to talk."""
    steps: int
    """Of their training."""
    cartpole_steps: int
    whole_frontier: bool
    """Whether every way is tried, or only those that the pilots are made by."""


QUICK = Size(lunar_lander.FULL, flights=20, steps=1200, cartpole_steps=200, whole_frontier=False)
FULL = Size(lunar_lander.FULL, flights=50, steps=1200, cartpole_steps=300, whole_frontier=True)


def rows(model: str, size: Size) -> tuple[Row, ...]:
    """Return the rows for a language model as the command line names it."""
    shared = lunar_lander.rows(model, size.lander)
    narrow = [FREE, *(NARROW if size.whole_frontier else ())]
    made = chosen(shared, narrow)
    kept = KEPT if size.whole_frontier else {"keep-both": KEPT["keep-both"]}
    steps = size.lander.ablation_steps
    made += [
        _kept(name, f"{what}, in {steps} steps", options, model, size, steps) for name, (what, options) in kept.items()
    ]
    made += [_averaged(name, of, size) for name, of in AVERAGED.items()]
    made.append(_kept("talking", "the pilot that lands and talks", KEEP, model, size, size.steps, in_real_time=True))
    made += [row for row in cartpole.rows(model, cartpole.FULL) if row.name == "box"]
    made.append(_cartpole(model, size))
    asked = [name for name in (*narrow, *kept, "talking") if name in {row.name for row in made}]
    made += [_asked(name, TASK) for name in asked]
    made.append(_asked("talking-cartpole", cartpole.TASK))
    return tuple(made)


def _kept(name: str, part: str, keep: str, model: str, size: Size, steps: int, *, in_real_time: bool = False) -> Row:
    """Return a row that trains as `FREE` does, rehearses besides, and flies."""
    tuning = tuning_for(model)
    words = [
        f"train {TASK} lora --data noisy/data --to {name}/pilot --base {shlex.quote(model)} {lunar_lander.PROMPT}",
        f"--balance sqrt {tuning.long_lora} --optimiser.steps {steps} --selection.every 0 {lunar_lander.DISTIL} {keep}",
    ]
    frozen = f"eval {TASK} pilot:{name}/pilot --episodes {size.lander.flights} --clock virtual --late hold"
    flown = [frozen]
    if in_real_time:
        flown.append(f"eval {TASK} pilot:{name}/pilot --episodes {size.flights} --late hold")
    return Row(
        name,
        part,
        "",
        (" ".join(words), *flown),
        figures.trained(figures.flights("frozen", "hold") if in_real_time else figures.flights("hold", last=1)),
        after=("noisy", "mlp"),
        extras=("train",),
        memory_mb=tuning.memory_mb + 500,
        minutes=4 + 1.5 * steps / lunar_lander.STEPS_A_MINUTE["lora"] + (size.flights / 8 if in_real_time else 0),
    )


def _averaged(name: str, of: str, size: Size) -> Row:
    """Return a row that looks between the base and another row's pilot."""
    shares = "0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9" if size.whole_frontier else "0.5 0.7 0.9"
    return Row(
        name,
        f"weights between the base and {of}",
        "",
        (f"average {of}/pilot --to {name}/pilot --shares {shares} --episodes {size.lander.flights}",),
        figures.line,
        after=(of,),
        extras=("train",),
        memory_mb=1500,
        minutes=1.5 * len(shares.split()),
    )


def _cartpole(model: str, size: Size) -> Row:
    """Return the row of a CartPole pilot that talks."""
    name, tuning, task = "talking-cartpole", tuning_for(model), cartpole.TASK
    return Row(
        name,
        "the same for CartPole",
        "",
        (
            f"train {task} lora --data box/data --to {name}/pilot --base {shlex.quote(model)} {cartpole.PROMPT} "
            f"{tuning.lora} --optimiser.steps {size.cartpole_steps} --selection.every 0 {KEEP}",
            f"eval {task} pilot:{name}/pilot --episodes {size.flights} --late hold",
        ),
        figures.trained(figures.flights("hold", last=1)),
        after=("box",),
        extras=("train",),
        memory_mb=tuning.memory_mb + 500,
        minutes=2 + 1.5 * size.cartpole_steps / 60 + size.flights / 6,
    )


def _asked(name: str, task: str) -> Row:
    """Return a row in which another row's pilot is asked ordinary questions and reads a general text."""
    return Row(
        f"asked-{name}",
        f"ordinary questions to {name}",
        "",
        (f"probe {task} pilot:{name}/pilot --states 20 --questions all",),
        figures.questions,
        after=(name,),
        minutes=1,
    )
