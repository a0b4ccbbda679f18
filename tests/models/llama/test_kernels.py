"""Kernels are tried in a process of their own, once for each build of llama.cpp."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import llama_cpp
import pytest

from ontick.cache import cache_folder
from ontick.models.catalog import embedded_path
from ontick.models.llama import kernels


def test_this_build_decides_by_kernels_that_work() -> None:
    tried = subprocess.run([sys.executable, "-m", "ontick.models.llama.kernels", str(embedded_path())], check=False)
    assert kernels.are_sound(embedded_path()) is (tried.returncode == 0)


def test_a_build_that_crashed_once_is_not_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(llama_cpp, "llama_print_system_info", lambda: b"AMX_INT8 = 1 | ")
    assert kernels.are_sound(embedded_path())
    (remembered,) = (cache_folder() / "kernels").iterdir()
    remembered.write_text(json.dumps({"sound": False}))
    assert not kernels.are_sound(embedded_path())
    remembered.write_text("damaged")
    assert kernels.are_sound(embedded_path())


def test_a_build_without_those_kernels_needs_no_trial(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(llama_cpp, "llama_print_system_info", lambda: b"AVX2 = 1 | ")
    assert kernels.are_sound(embedded_path())
    assert not (cache_folder() / "kernels").exists()
