"""Which bars hold on this machine? Every benchmark that takes under five minutes, as one table."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import tyro
from rich.console import Console
from rich.table import Table

QUICK = (
    "loop_overhead",
    "sweep",
    "punctuality",
    "decision_latency",
    "backend_agreement",
    "mlp_cloning",
    "sft_speed",
    "sft_row",
    "prediction",
    "forward_models",
    "talking",
    "viewer_load",
)


def run(name: str) -> dict[str, Any] | None:
    """Run one benchmark in a process of its own; return its last line, or None when it could not be run."""
    script = Path(__file__).with_name(f"{name}.py")
    done = subprocess.run([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, check=False)
    return None if done.returncode else json.loads(done.stdout.splitlines()[-1])


def main(names: tyro.conf.Positional[tuple[str, ...]] = QUICK) -> None:
    """Run benchmarks one after another, since each wants the machine to itself; the status is 1 if a bar is missed.

    Args:
        names: which of them.
    """
    console = Console(stderr=True)
    table = Table("benchmark", "figure", "is", "must", "holds")
    all_hold = True
    for name in names:
        with console.status(name):
            measured = run(name)
        if measured is None:
            table.add_row(name, "", "", "", "could not be run")
            all_hold = False
            continue
        for figure, bar in measured["bars"].items():
            table.add_row(name, figure, f"{bar['is']:.3g}", bar["must"], "yes" if bar["holds"] else "NO")
            all_hold &= bar["holds"]
    Console().print(table)
    sys.exit(0 if all_hold else 1)


if __name__ == "__main__":
    tyro.cli(main)
