"""The rows of the CartPole post: too slow through an API, close when local, reliable after a short fine-tuning."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from ontick.reproduction import figures
from ontick.reproduction.late_flights import AHEAD, AHEAD_IN_WORDS, SLOW_API, under_each_rule
from ontick.reproduction.row import Row
from ontick.reproduction.tuning import tuning_for

TASK = "cartpole"

PROMPT = "--prompt.layout compact --prompt.numbers fine"
"""How a model is asked that is trained: few tokens, read in one go."""

TWO_FEATURES = "--prompt.features angle spin"

BEST_PROMPT = (
    f"--prompt.examples 32 {TWO_FEATURES} --prompt.layout compact --prompt.calibrate --model.quantisation bf16"
)
"""The best found for the untrained SmolLM2-135M."""


@dataclass(frozen=True)
class Size:
    """How much is flown and trained."""

    flights: int
    """Episodes of a controller that lasts."""
    short_flights: int
    """Episodes of a controller that falls soon."""
    steps: int
    every: int
    states: int = 50_000
    """Sampled, to learn from."""


QUICK = Size(flights=10, short_flights=20, steps=200, every=100)
FULL = Size(flights=50, short_flights=50, steps=500, every=100)


def rows(model: str, size: Size) -> tuple[Row, ...]:
    """Return the rows for a language model as the command line names it."""
    word, tuning = shlex.quote(model), tuning_for(model)
    short, many = f"--episodes {size.short_flights}", f"--episodes {size.flights}"
    pretrained = [
        ("pretrained-plain", "untrained, no examples", "only okay", ""),
        (
            "pretrained-system",
            "untrained, examples in the system prompt",
            "worse than as turns",
            "--prompt.examples 16 --prompt.examples-in system --prompt.numbers 3",
        ),
        (
            "pretrained-turns",
            "untrained, examples as turns of the conversation",
            "helped a lot",
            "--prompt.examples 16 --prompt.examples-in turns --prompt.numbers 3",
        ),
        (
            "pretrained-two-features",
            "untrained, angle and angular velocity only",
            "helped even more",
            f"--prompt.examples 16 --prompt.examples-in turns {TWO_FEATURES} --prompt.numbers 3",
        ),
        (
            "pretrained-two-decimals",
            "untrained, two decimals instead of three",
            "median 500 steps, 8/10 perfect, about 20 ms",
            f"--prompt.examples 16 --prompt.examples-in turns {TWO_FEATURES} --prompt.numbers 2",
        ),
        (
            "pretrained-calibrated",
            "untrained, the best prompt found: 32 examples, the model's leaning to one answer taken off",
            "",
            BEST_PROMPT,
        ),
    ]
    return (
        Row(
            "no-agent",
            "nobody flies, under both late rules",
            "about 16 steps under hold, about 50 under zero force",
            under_each_rule(f"eval {TASK} none {short}", "--clock virtual"),
            figures.flights(),
            minutes=0.2,
        ),
        Row(
            "api-latency",
            "a perfect policy behind a line like a hosted API's",
            "26 steps under hold, about 46 under zero force; median 129-178 ms",
            under_each_rule(f"eval {TASK} teacher {short}", f"--delay {SLOW_API}"),
            figures.flights(),
            minutes=1,
        ),
        Row(
            "latency-curve",
            "latency curve of a perfect policy",
            "0-50 ms fine, 75 ms off the cliff, 100 ms dead",
            (f"cliff {TASK} teacher",),
            figures.curve,
            minutes=0.3,
        ),
        *(
            Row(
                name,
                part,
                post,
                (f"verdict {TASK} {word} --episodes {size.flights} {options}".strip(),),
                figures.verdicts(),
                minutes=1,
            )
            for name, part, post, options in pretrained
        ),
        Row(
            "pretrained-predicted",
            f"the same, {AHEAD_IN_WORDS}",
            "",
            (f"eval {TASK} {word} {many} {BEST_PROMPT} --late hold {AHEAD}",),
            figures.flights(),
            minutes=size.flights / 6,
        ),
        Row(
            "tiny-net",
            "a network of 114 parameters",
            "10/10 perfect",
            (
                f"collect {TASK} --to tiny-net/data",
                f"train {TASK} mlp --data tiny-net/data --to tiny-net/pilot",
                f"eval {TASK} pilot:tiny-net/pilot {many}",
            ),
            figures.trained(figures.flights(last=1), at=1),
            minutes=0.7 + size.flights / 6,
        ),
        Row(
            "box",
            f"{size.states:,} sampled states, labelled by the teacher",
            "50,000 examples from the anticipation policy",
            (f"collect {TASK} --episodes 0 --box {size.states} --to box/data",),
            figures.data,
            minutes=0.2,
        ),
        Row(
            "lora",
            "LoRA on the sampled states, under both late rules",
            "10/10 perfect, about 27 ms; about 500 steps, 3.5 minutes; comparison runs 3/5 perfect under hold, "
            "5/5 under zero force",
            (
                f"train {TASK} lora --data box/data --to lora/pilot --base {word} {PROMPT} {tuning.lora} "
                f"--optimiser.steps {size.steps} --selection.every {size.every}",
                *under_each_rule(f"eval {TASK} pilot:lora/pilot {many}"),
            ),
            figures.trained(figures.flights(last=2)),
            after=("box",),
            extras=("train",),
            memory_mb=tuning.memory_mb,
            minutes=1 + size.steps / 60 + size.flights / 3,
        ),
        Row(
            "lora-predicted",
            f"the same, {AHEAD_IN_WORDS}",
            "10/10 perfect, about 27 ms",
            under_each_rule(f"eval {TASK} pilot:lora/pilot {many}", AHEAD),
            figures.flights(),
            after=("lora",),
            minutes=size.flights / 3,
        ),
        Row(
            "late-rules",
            "who flies under which late rule",
            "the numbers move a lot, the conclusion does not",
            (f"compare {TASK} none {word} pilot:lora/pilot --episodes 5",),
            figures.compared,
            after=("lora",),
            extras=("train",),
            memory_mb=1500,
            minutes=3,
        ),
    )
