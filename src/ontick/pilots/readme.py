"""What does a pilot's model card say? ``README.md``, with the front matter that Hugging Face's hub reads."""

from __future__ import annotations

import json
from pathlib import Path

from ontick.cache import made_whole
from ontick.models.catalog import EMBEDDED
from ontick.pilots.card import Kind, PilotCard
from ontick.pilots.lineage import examples_of, score_of
from ontick.records import Json

README = "README.md"

EMBEDDED_ON_THE_HUB = "HuggingFaceTB/SmolLM2-135M-Instruct"

_LIBRARY = {Kind.MLP: "ontick", Kind.LORA: "peft", Kind.FULL: "transformers"}

_WHAT = {
    Kind.MLP: "A small network on the numbers of the state",
    Kind.LORA: "A LoRA adapter of a language model",
    Kind.FULL: "A language model, tuned as a whole",
}


def write_readme(folder: Path, card: PilotCard) -> None:
    """Write a pilot's model card, whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    with made_whole(folder / README) as partial:
        partial.write_text(readme(card))


def readme(card: PilotCard) -> str:
    """Return the text of a pilot's model card."""
    parts = [_front_matter(card), f"# {card.name}", _opening(card), _how_to_fly(card), _score(card), _learnt_from(card)]
    if card.recipe is not None:
        parts.append(_made_by(card.recipe))
    return "\n\n".join(parts) + "\n"


def _front_matter(card: PilotCard) -> str:
    """Return the front matter; JSON's strings and lists are YAML's."""
    base = _base_on_the_hub(card)
    facts: dict[str, object] = {"library_name": _LIBRARY[card.kind]}
    if base is not None:
        facts["base_model"] = base
        facts["base_model_relation"] = "adapter" if card.kind is Kind.LORA else "finetune"
    if base == EMBEDDED_ON_THE_HUB:
        facts["license"] = "apache-2.0"
    if card.kind is not Kind.MLP:
        facts["pipeline_tag"] = "text-generation"
    facts["tags"] = ["ontick", card.task, "real-time-control", "imitation-learning"]
    return "\n".join(["---", *(f"{name}: {json.dumps(value)}" for name, value in facts.items()), "---"])


def _base_on_the_hub(card: PilotCard) -> str | None:
    """Return the base's id on the hub, if it is from there."""
    if card.base in (EMBEDDED, f"hf:{EMBEDDED}"):
        return EMBEDDED_ON_THE_HUB
    kind, _, what = (card.base or "").partition(":")
    local = what.startswith(("/", ".", "~")) or what.endswith(".gguf") or Path(what).exists()
    return what if kind == "hf" and what.count("/") == 1 and not local else None


def _opening(card: PilotCard) -> str:
    of = f", of `{card.base}`" if card.base else ""
    ancestry = f" It is version {card.version}, made from the pilot `{card.parent}`." if card.parent else ""
    return (
        f"{_WHAT[card.kind]}{of}, trained to fly the task `{card.task}` in real time with "
        f"[Ontick](https://pypi.org/project/ontick/).{ancestry}{_for_late_answers(card)}"
    )


def _for_late_answers(card: PilotCard) -> str:
    if card.aware is None:
        return ""
    dead_time, pending = card.aware.dead_time, card.aware.pending
    shown = f" It is shown up to {pending} of the actions that act before its own." if pending else ""
    flags = f"--in-flight {dead_time.in_flight} --late {dead_time.late.value}"
    return (
        f"\n\nIt was trained for answers that are late, `--latency {dead_time.latency}`: fly it with `{flags}`, as it "
        f"was trained.{shown}"
    )


def _how_to_fly(card: PilotCard) -> str:
    return "\n".join(
        (
            "## How to fly it",
            "",
            "```sh",
            f"ontick eval {card.task} pilot:PATH      # this folder, or the name that it has on Hugging Face",
            f"ontick verdict {card.task} pilot:PATH",
            "```",
            "",
            "`pilot.json` says how it is asked; nothing needs to be given.",
        )
    )


def _score(card: PilotCard) -> str:
    score = score_of(card)
    if score is None:
        return "## How well it flies\n\nIt was not evaluated in training."
    success = score["success"]
    return (
        "## How well it flies\n\n| episodes | " + f"{success} | mean reward |\n| --- | --- | --- |\n"
        f"| {score['n']} | {score[success]} ({score['success_rate']:.0%}) | {score['reward_mean']:.1f} |\n\n"
        "By these episodes the best checkpoint was chosen, so they flatter it; "
        f"`ontick eval {card.task} pilot:PATH` flies others."
    )


def _learnt_from(card: PilotCard) -> str:
    rows = [
        f"| {data.get('n')} | {', '.join(f'{source}: {n}' for source, n in dict(data.get('per_source', {})).items())} "
        f"| `{data.get('hash')}` |"
        for data in card.data
    ]
    seeds = ", ".join(f"{first} to {last}" for first, last in card.seeds) or "none"
    return "\n".join(
        (
            "## What it learnt from",
            "",
            f"{examples_of(card)} labelled states. Seeds flown in training, on which it is not to be judged: {seeds}.",
            "",
            "| states | from | SHA-256 of the data |",
            "| --- | --- | --- |",
            *rows,
            "",
            f"Id of the weights: `{card.id}`.",
        )
    )


def _made_by(recipe: Json) -> str:
    agreement: Json = recipe["agreement"]
    return (
        f"## How it was made\n\nBy the recipe `{recipe['name']}` with seed {recipe['seed']}:\n\n"
        f"```sh\n{recipe['command']}\n```\n\n"
        f"Its weights, `{recipe['trained']}`, were then rounded to {recipe['rounded_to']}: "
        f"in {agreement['same']} of {agreement['states']} recorded states it decides as it did before."
    )
