"""What does a probe look like in a terminal? Tables from the object that ``probe --json`` prints."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from ontick.records import Json


def probe_parts(probe: Json) -> Iterator[RenderableType]:
    """Yield what ``probe`` found, part by part."""
    diagnosed, followed = probe["diagnostics"], probe["teacher_states"]
    if diagnosed["n"]:
        yield _states_table(probe)
        yield _confusion_table(diagnosed, "in the diagnostic states it answered")
    if followed and followed["n"]:
        yield _confusion_table(followed, "in states of the teacher's flights it answered")
    yield _figures_table(probe)
    if probe["questions"] is not None:
        yield _questions_table(probe["questions"])


def _states_table(probe: Json) -> Table:
    states = probe["diagnostics"]["states"]
    scored = any(state["p_right"] is not None for state in states)
    table = _titled(f"{probe['task']}: what {probe['controller']} answers in states beyond doubt")
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
    table = _titled(title)
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
    table = _titled("in figures")
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
    table = _titled("ordinary questions")
    table.add_column("asked", no_wrap=True)
    table.add_column("answered")
    for asked in questions:
        answer = f"(none: {asked['failure']})" if asked["failure"] else " ".join(asked["answer"].split())
        table.add_row(escape(asked["question"]), escape(answer))
    return table


def _titled(title: str) -> Table:
    return Table(box=SIMPLE_HEAD, title=escape(title), title_justify="left")


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _bits(bits: float | None) -> str:
    return "-" if bits is None else f"{bits:.2f} bits"


def _commonest(part: Json) -> str:
    return "-" if part["top_action"] is None else escape(f"{part['top_action']}, {part['top_share']:.0%}")
