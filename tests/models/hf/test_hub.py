"""A hub that refuses, is away or gives a model: asked over loopback, as its client library asks the real one."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from huggingface_hub import constants

import families
from ontick.errors import OntickError
from ontick.models.base import Message, ModelOptions
from ontick.models.catalog import load_model
from ontick.models.hf.hub import weights_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Refusal(NamedTuple):
    status: int
    code: str
    """What the hub says in X-Error-Code."""


class Hub(ThreadingHTTPServer):
    """Serves one folder as the model ``someone/model``, or refuses everything."""

    daemon_threads = True

    def __init__(self, folder: Path | None, refusal: Refusal | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.refusal = refusal
        self.asked: list[str] = []


class Handler(BaseHTTPRequestHandler):
    @property
    def hub(self) -> Hub:
        return cast("Hub", self.server)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.asked.append(self.path)
        folder, refusal = self.hub.folder, self.hub.refusal
        if folder is None or refusal is not None:
            status, code = refusal or Refusal(500, "")
            return self._answer(status, b"{}", {"X-Error-Code": code, "X-Error-Message": "no"})
        files = sorted(folder.iterdir())
        if "/resolve/" in self.path:
            body = (folder / self.path.rpartition("/")[2]).read_bytes()
            return self._answer(200, body, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT})
        if "/tree/" in self.path:
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40} for f in files]
            return self._answer(200, json.dumps(tree).encode(), {})
        siblings = [{"rfilename": file.name} for file in files]
        info = {"id": "someone/model", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
        return self._answer(200, json.dumps(info).encode(), {})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture(autouse=True)
def _nobodys_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leave out this machine's own downloads, token and proxy."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def hub(monkeypatch: pytest.MonkeyPatch, folder: Path | None = None, refusal: Refusal | None = None) -> Generator[Hub]:
    server = Hub(folder, refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", constants.ENDPOINT + "/{repo_id}/resolve/{revision}/{filename}"
    )
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


REFUSALS = {
    "gated": (Refusal(403, "GatedRepo"), "accept its terms"),
    "gated, without a token": (Refusal(401, "GatedRepo"), "accept its terms"),
    "not found": (Refusal(404, "RepoNotFound"), "check the name"),
    "not found or private": (Refusal(401, "RepoNotFound"), "hf auth login"),
    "forbidden": (Refusal(403, ""), "run: hf auth login"),
    "broken": (Refusal(500, ""), "500"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_one_line_that_says_what_to_do(
    case: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    refusal, says = REFUSALS[case]
    with hub(monkeypatch, refusal=refusal) as server, pytest.raises(OntickError) as caught:
        load_model("hf:someone/model")
    assert server.asked
    assert says in str(caught.value)
    assert "someone/model" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr().err == ""


def test_a_hub_that_is_away_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(OntickError, match="cannot be reached; connect, or give a folder"):
        load_model("hf:someone/model")


def test_a_machine_told_to_stay_offline_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(OntickError, match="cannot be reached; connect, or give a folder"):
        load_model("hf:someone/model")


def test_a_word_that_is_no_hub_id_is_said_so() -> None:
    with pytest.raises(OntickError, match="no hub id"):
        load_model("hf:some..one/model")


def test_a_model_is_downloaded_once_and_flies_without_the_hub(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    source = families.folder_of("qwen3")
    (source / "pytorch_model.bin").write_bytes(b"a pickle")
    asked = [Message("user", "5")]
    with hub(monkeypatch, source) as server:
        model = load_model("hf:someone/model", ModelOptions(dtype="float32"))
    (source / "pytorch_model.bin").unlink()
    assert not [path for path in server.asked if path.endswith(".bin")]
    assert model.info.name == "model"
    local = load_model(f"hf:{source}", ModelOptions(dtype="float32"))
    assert model.choose(asked, ("0", "1")).logprobs == local.choose(asked, ("0", "1")).logprobs
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    folder = weights_folder("someone/model")
    assert (folder / "model.safetensors").exists()
    assert not (folder / "pytorch_model.bin").exists()
    assert capfd.readouterr().err == ""
