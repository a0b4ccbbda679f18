"""What a record says of the machine is what the machine says of itself."""

from __future__ import annotations

from pathlib import Path

from ontick.provenance import gpus, provenance


def test_gpus_are_those_that_the_driver_names(tmp_path: Path) -> None:
    for place, model in (("0000:01:00.0", "NVIDIA H200"), ("0000:02:00.0", "NVIDIA H100 PCIe")):
        (tmp_path / place).mkdir()
        (tmp_path / place / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 11\nBus Type: \t PCIe\n")
    assert gpus(tmp_path) == ["NVIDIA H200", "NVIDIA H100 PCIe"]


def test_a_machine_without_a_driver_has_no_gpus(tmp_path: Path) -> None:
    assert gpus(tmp_path / "none") == []


def test_nothing_is_said_of_who_runs_it_or_where() -> None:
    said = str(provenance())
    assert str(Path.home()) not in said
    assert set(provenance()["machine"]) == {"system", "release", "architecture", "processor", "cores", "gpus"}
