"""The verbs for data as a user meets them: from collecting to a file and back, and Ctrl-C in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ontick.cli import main
from ontick.learning.dataset import DEMONSTRATIONS
from ontick.records import Json


def run_json(capsys: pytest.CaptureFixture[str], *arguments: object) -> Json:
    assert main([*map(str, arguments), "--json"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    return json.loads(captured.out)


def test_from_collecting_to_a_file_and_back(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    noises = ("none", "actions:0.1")
    made = run_json(
        capsys, "collect", "lunarlander", "--to", tmp_path / "d", "--episodes", 2, "--noise", *noises, "--box", 50
    )
    assert made["seeds"] == [[2_000_000, 2_000_003]]
    assert made["per_source"]["box"] == 50
    assert sum(made["per_action"].values()) == made["n"]
    shown = run_json(capsys, "data", tmp_path / "d", "--balance", "equal")
    assert shown["hash"] == made["hash"]
    assert sum(row["balanced_share"] for row in shown["table"]) == pytest.approx(1)
    chat = run_json(capsys, "export", tmp_path / "d", "--as", "chat", "--to", tmp_path / "c.jsonl")
    assert chat["n"] == made["n"]
    back = run_json(capsys, "import", tmp_path / "c.jsonl", "lunarlander", "--as", "chat", "--to", tmp_path / "back")
    assert back["hash"] == made["hash"]
    assert (tmp_path / "back" / DEMONSTRATIONS).read_bytes() == (tmp_path / "d" / DEMONSTRATIONS).read_bytes()


def test_what_is_printed_names_the_sources_and_shows_balancing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["collect", "cartpole", "--to", str(tmp_path / "d"), "--episodes", "1", "--actor", "random"]) == 0
    assert main(["data", str(tmp_path / "d"), "--balance", "sqrt"]) == 0
    printed = capsys.readouterr().out
    assert "random" in printed
    assert "share, sqrt" in printed
    assert f"dataset: {tmp_path / 'd'}" in printed


def test_a_teacher_that_names_no_action_is_one_line_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    own = tmp_path / "own.py"
    own.write_text("def wrong(state):\n    return 7\n")
    to = tmp_path / "out" / "d"
    assert main(["collect", "cartpole", "--to", str(to), "--labeller", f"python:{own}:wrong"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert "says 7 in the state x" in captured.err
    assert not to.parent.exists()


def test_ctrl_c_leaves_no_half_dataset(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ontick", "collect", "lunarlander", "--episodes", "100000"]
    arguments = ["--to", str(tmp_path / "d"), "--actor", f"python:{tmp_path / 'own.py'}:Slow"]
    (tmp_path / "own.py").write_text(
        "from pathlib import Path\nfrom ontick.controllers.scripted import Teacher\n"
        "class Slow(Teacher):\n    def reset(self, seed):\n        Path(__file__).with_name('flies').touch()\n"
    )
    process = subprocess.Popen(
        [*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 90
    while not (tmp_path / "flies").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (130, "")
    assert len(err.splitlines()) == 1
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("d")]
