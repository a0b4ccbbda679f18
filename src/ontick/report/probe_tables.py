"""What does a probe look like in a terminal? Tables from the object that ``probe --json`` prints."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from ontick.records import Json
from ontick.report.tables import titled

SHORT = 70
"""How many letters of an answer are shown; the record has them all."""


def probe_parts(probe: Json) -> Iterator[RenderableType]:
    """Yield what ``probe`` found, part by part."""
    diagnosed, followed = probe["diagnostics"], probe["teacher_states"]
    if diagnosed["n"]:
        yield _states_table(probe)
        yield _confusion_table(diagnosed, "in the diagnostic states it answered")
    if followed and followed["n"]:
        yield _confusion_table(followed, "in states of the teacher's flights it answered")
    yield _figures_table(probe)
    if probe["knowledge"] is not None:
        yield _questions_table(probe["questions"])
        yield _knowledge_table(probe["knowledge"])
    if (moved := probe.get("moved")) is not None:
        yield _moved_said(moved)
    if (prose := probe.get("prose")) is not None:
        yield _prose_said(prose)


def _states_table(probe: Json) -> Table:
    states = probe["diagnostics"]["states"]
    scored = any(state["p_right"] is not None for state in states)
    table = titled(f"{probe['task']}: what {probe['controller']} answers in states beyond doubt")
    for heading in ("situation", "right", "answered"):
        table.add_column(heading)
    if scored:
        table.add_column("p(right)", justify="right")
    for state in states:
        answered = state["answered"] or (f"invalid: {state['text'][:20]!r}" if state["text"] else "(no answer)")
        colour = "green" if state["correct"] else "red"
        cells = [escape(state["situation"]), escape(" or ".join(state["right"])), f"[{colour}]{escape(answered)}[/]"]
        table.add_row(*cells, *([f"{state['p_right']:.2f}"] if scored else []))
    return table


def _confusion_table(part: Json, title: str) -> Table:
    table = titled(title)
    table.add_column("right")
    confusion: dict[str, dict[str, int]] = part["confusion"]
    for answered in next(iter(confusion.values())):
        table.add_column(escape(answered), justify="right")
    table.add_column("recall", justify="right")
    for wanted, counts in confusion.items():
        cells = [f"[green]{n}[/]" if name == wanted and n else str(n) for name, n in counts.items()]
        table.add_row(escape(wanted), *cells, _share(part["recall"][wanted]))
    return table


def _figures_table(probe: Json) -> Table:
    table = titled("in figures")
    table.add_column("measure")
    parts = [("diagnostic states", probe["diagnostics"]), ("the teacher's flights", probe["teacher_states"])]
    shown = [(name, part) for name, part in parts if part and part["n"]]
    for name, _ in shown:
        table.add_column(name, justify="right")
    table.add_row("right", *(f"{part['right']}/{part['n']}" for _, part in shown))
    intervals = [part["accuracy_ci95"] for _, part in shown]
    table.add_row("95 % interval", *(f"{low:.0%} to {high:.0%}" for low, high in intervals))
    table.add_row("mean recall of the actions", *(_share(part["balanced_accuracy"]) for _, part in shown))
    table.add_row("entropy of the answers", *(_bits(part["entropy_bits"]) for _, part in shown))
    table.add_row("commonest answer", *(_commonest(part) for _, part in shown))
    if probe["rut"]:
        table.caption, table.caption_justify = f"[red]in a rut: {escape(probe['rut'])}[/red]", "left"
    return table


def _questions_table(questions: list[Json]) -> Table:
    table = titled("ordinary questions")
    table.add_column("asked", max_width=36)
    table.add_column("")
    table.add_column("answered")
    compared = questions[0]["base_right"] is not None
    if compared:
        table.add_column("base")
    for asked in questions:
        cells = [escape(asked["question"]), _mark(asked["right"]), _said(asked["answer"], asked["failure"])]
        table.add_row(*cells, *([_mark(asked["base_right"])] if compared else []))
    return table


def _knowledge_table(knowledge: Json) -> Table:
    base = knowledge["base"]
    table = titled("right, by kind")
    table.add_column("kind")
    for heading in ("right", "of the base", "still right")[: 3 if base else 1]:
        table.add_column(heading, justify="right")
    for kind, found in knowledge["kinds"].items():
        told = [f"{found['right']}/{found['n']}"]
        if base:
            told += [f"{found['base_right']}/{found['n']}", f"{found['still_right']}/{found['base_right']}"]
        table.add_row(escape(kind), *told)
    table.add_section()
    told = [f"{knowledge['right']}/{knowledge['n']}"]
    if base:
        told += [f"{base['right']}/{knowledge['n']}", f"{base['still_right']}/{base['right']}"]
    table.add_row("in all", *told)
    intervals = [_interval(knowledge["share_ci95"])]
    if base:
        intervals += ["", _interval(base["still_right_ci95"])]
    table.add_row("95 % interval", *intervals)
    if base:
        table.caption, table.caption_justify = _distance(base), "left"
    return table


def _moved_said(moved: Json) -> str:
    low, high = moved["kl_ci95"]
    where = f"in {moved['n']} flying states"
    return f"where it flies it has moved by {moved['kl_nats']:.3g} nats ({low:.3g} to {high:.3g}, {where})"


def _prose_said(prose: Json) -> str:
    said = f"perplexity of a general text of {prose['tokens']:,} tokens: {prose['perplexity']:.2f}"
    return (
        said
        if prose["ratio"] is None
        else f"{said}, the base's {prose['base_perplexity']:.2f} ({prose['ratio']:.2f} times)"
    )


def _distance(base: Json) -> str:
    name = escape(base["word"])
    if base["kl_nats"] is None:
        return f"Its KL divergence from {name} is not known: {escape(base['why_no_kl'] or 'the base gave no answer')}."
    low, high = base["kl_ci95"]
    return f"KL divergence from {name}: {base['kl_nats']:.3g} nats a token ({low:.3g} to {high:.3g})."


def _mark(right: bool) -> str:
    return "[green]right[/]" if right else "[red]wrong[/]"


def _said(answer: str | None, failure: str | None) -> str:
    if answer is None:
        return f"(none: {escape(failure or '')})"
    said = " ".join(answer.split())
    return escape(said if len(said) <= SHORT else f"{said[: SHORT - 1]}…")


def _interval(ci95: list[float] | None) -> str:
    return "-" if ci95 is None else f"{ci95[0]:.0%} to {ci95[1]:.0%}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _bits(bits: float | None) -> str:
    return "-" if bits is None else f"{bits:.2f} bits"


def _commonest(part: Json) -> str:
    return "-" if part["top_action"] is None else escape(f"{part['top_action']}, {part['top_share']:.0%}")
