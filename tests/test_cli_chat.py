"""`ontick chat` as a user meets it: questions by a pipe or typed, a flight meanwhile, mistakes in a line."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ontick.cli import main
from ontick.records import Json, read_run

BRIEFLY = ["--model.quantisation", "as-is", "--max-tokens", "8"]
MODEL = ["smollm2", "--task", "lunarlander", "--requests-per-minute", "120", *BRIEFLY]
"""Asked twice a second, in flights of some seconds, it has time for the conversation on a slow machine, too."""
PATIENCE_S = 120.0
"""No test waits so long on a machine that works; none asserts a time."""


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Put a pipe in stdin's place, and return where its questions are written."""
    reads, writes = os.pipe()
    with os.fdopen(reads) as stdin, os.fdopen(writes, "w"):
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writes


def ask(where: int, *questions: str) -> None:
    os.write(where, "".join(f"{question}\n" for question in questions).encode())
    os.dup2(os.open(os.devnull, os.O_WRONLY), where)  # there are no more


def chat(capsys: pytest.CaptureFixture[str], *arguments: str) -> Json:
    assert main(["chat", *arguments, "--json"]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    return json.loads(line)


def test_it_answers_while_it_flies_and_says_how_both_went(
    capsys: pytest.CaptureFixture[str], asking: int, tmp_path: Path
) -> None:
    ask(asking, "What is the capital of France?", "", "And of Italy?")
    result = chat(capsys, *MODEL, "--runs", str(tmp_path), "--seed", "4")
    first, second = result["answers"]
    assert first["question"] == "What is the capital of France?"
    assert first["answer"]
    assert (first["tokens"], first["ending"]) == (8, "cut")
    assert second["question"] == "And of Italy?"
    assert result["tokens_per_s"] > 0
    assert (result["task"], result["controller"], result["model"]) == (
        "lunarlander",
        "smollm2",
        "SmolLM2-135M-Instruct",
    )
    for side in ("answering", "silent"):
        assert set(result["ticks"][side]) == {"ticks", "late_ticks", "late_share", "decision_ms"}
        assert set(result["ticks"][side]["decision_ms"]) == {"p50", "p95"}
    assert result["ticks"]["answering"]["ticks"] > 0
    assert sum(result["outcomes"].values()) == len(
        [one for one in result["episodes"] if one["outcome"] != "interrupted"]
    )
    run = read_run(Path(result["run"]))
    assert [episode.seed for episode in run.episodes] == list(range(4, 4 + len(run.episodes)))
    assert run.summary is not None
    assert [said["answer"] for said in run.summary["conversation"]] == [first["answer"], second["answer"]]
    assert run.run["asked"]["verb"] == "chat"


def test_episodes_are_flown_whole_where_they_are_asked_for(
    capsys: pytest.CaptureFixture[str], asking: int, tmp_path: Path
) -> None:
    ask(asking)
    model = ["smollm2", "--task", "cartpole", *BRIEFLY]
    result = chat(capsys, *model, "--runs", str(tmp_path), "--episodes", "2", "--late", "noop")
    assert [episode["outcome"] for episode in result["episodes"]] == ["fell", "fell"]
    assert (result["answers"], result["tokens_per_s"], result["late"]) == ([], None, "noop")


def test_it_may_only_talk(capsys: pytest.CaptureFixture[str], asking: int, tmp_path: Path) -> None:
    ask(asking, "What is 2 + 2?", "x " * 5000)
    options = ["--no-fly", "--system", "You are a calculator.", "--runs", str(tmp_path)]
    assert main(["chat", "smollm2", *BRIEFLY, *options]) == 0
    said = capsys.readouterr()
    assert "> What is 2 + 2?" in said.out
    assert "8 tokens" in said.out or "tokens" in said.out
    assert "ask something shorter" in said.err
    assert len(said.err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["teacher", "--task", "cartpole"], "teacher is no language model and cannot talk"),
        (["mlp:somewhere", "--task", "cartpole"], "is no language model and cannot talk"),
        (["api:groq/llama"], "runs elsewhere"),
        (["smollm2"], "add --task lunarlander"),
        (["smollm2", "--task", "chess"], "unknown task"),
        (["nobody", "--task", "cartpole"], "unknown controller"),
        (["pilot:nowhere"], "nowhere"),
        (["pilot:lunarlander", "--task", "cartpole"], "was trained for lunarlander"),
        (["smollm2", "--task", "cartpole", "--episodes", "0"], "--no-fly"),
        (["smollm2", "--no-fly", "--max-tokens", "0"], "1 or more"),
    ],
)
def test_mistakes_are_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str], says: str
) -> None:
    assert main(["chat", *arguments, "--runs", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert says in captured.err
    assert not list(tmp_path.iterdir()), "nothing is left half-written"


class Terminal:
    """`ontick chat` in a terminal of its own."""

    def __init__(self, runs: Path) -> None:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "ontick", "chat", *MODEL, "--runs", str(runs)]
        variables = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=variables
        )
        os.close(theirs)
        self._ours = ours
        self.shown = ""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.shown:
            assert select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0], self.shown[-2000:]
            self.shown += os.read(self._ours, 65536).decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def end(self) -> int:
        """Read what is left; return the exit status."""
        while True:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # Linux says so when the other side has gone
                break
            if not data:
                break
            self.shown += data.decode(errors="replace")
        os.close(self._ours)
        return self.process.wait(PATIENCE_S)


@pytest.mark.parametrize("by_ctrl_c", [False, True])
def test_questions_are_typed_below_the_flight(tmp_path: Path, by_ctrl_c: bool) -> None:
    terminal = Terminal(tmp_path)
    try:
        talk_at(terminal, by_ctrl_c=by_ctrl_c)
    finally:
        terminal.process.kill()
        terminal.process.wait()
    (folder,) = tmp_path.iterdir()
    summary = read_run(folder).summary
    assert summary is not None
    assert [said["question"] for said in summary["conversation"]] == ["What is the capital of France?"]


def talk_at(terminal: Terminal, *, by_ctrl_c: bool) -> None:
    terminal.until("tick")
    terminal.type("What is the captial\x17capital of Frans\x7fce?")
    terminal.until("capital of France?")
    terminal.type("\r")
    terminal.until("8 tokens")
    if by_ctrl_c:
        os.killpg(terminal.process.pid, signal.SIGINT)
    else:
        terminal.type("\x04")
    assert terminal.end() == (130 if by_ctrl_c else 0)
    assert "Traceback" not in terminal.shown
    assert "while it answered" in terminal.shown
