"""A folder is one process's at a time, by whatever name, until that process ends in whatever way."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ontick.alone import alone_in
from ontick.errors import OntickError

STAYS = """
import sys
from pathlib import Path
from ontick.alone import alone_in
with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("ends_by", [signal.SIGKILL, signal.SIGTERM, None])
def test_another_process_keeps_us_out_until_it_ends(tmp_path: Path, ends_by: signal.Signals | None) -> None:
    folder = tmp_path / "pilot"
    command = [sys.executable, "-c", STAYS, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        said = f"another ontick works in {folder}; wait until it ends, or choose another --to"
        with pytest.raises(OntickError, match=said), alone_in(folder):
            pytest.fail("two were in there")
        with alone_in(tmp_path / "other"):
            pass
        other.stdin.close() if ends_by is None else other.send_signal(ends_by)
        other.wait(60)
    with alone_in(folder):
        pass
    assert not folder.exists(), "nothing is written there"


def test_a_folder_is_the_same_by_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    with alone_in(Path("real")):
        for name in (tmp_path / "real", Path("link"), Path("link/../real")):
            with pytest.raises(OntickError, match="works in"), alone_in(name):
                pass


def test_without_a_cache_nobody_is_kept_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with alone_in(tmp_path), alone_in(tmp_path):
        pass
