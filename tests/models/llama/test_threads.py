from __future__ import annotations

import subprocess
import sys

import pytest

from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import load_model

QUESTION = [Message("user", "Continue the sequence with the next digit: 1 2 3 4 5 6 7")]
DIGITS = tuple("0123456789")


def test_answers_do_not_depend_on_how_many_threads_compute_them() -> None:
    answers = [
        load_model("smollm2", ModelOptions(threads=threads, quantisation="as-is")).choose(QUESTION, DIGITS).logprobs
        for threads in (1, 2, 3)
    ]
    assert answers[1] == pytest.approx(answers[0], abs=1e-3)
    assert answers[2] == pytest.approx(answers[0], abs=1e-3)


COUNTS = """
import os, time
from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import load_model
def threads(): return len(os.listdir("/proc/self/task"))
asked = [Message("user", "1 or 0?")]
load_model("smollm2", ModelOptions(threads=1, quantisation="as-is")).choose(asked, ("0", "1"))
before = threads()
model = load_model("smollm2", ModelOptions(threads=3, quantisation="as-is"))
for _ in range(2):
    model.choose(asked, ("0", "1"))
print(threads() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_a_model_keeps_its_threads_between_decisions() -> None:
    done = subprocess.run([sys.executable, "-c", COUNTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 2, "two of three beside the reader itself"
    assert done.stderr == ""
