"""The Hugging Face hub on loopback: it gives a model, takes commits, or refuses."""

from __future__ import annotations

import base64
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
        self.taken: dict[str, bytes] = {}
        """What was committed."""
        self.private = False
        self.is_there = False
        """Whether the repository is there before it is pushed to."""


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
            return self._refuse()
        files = sorted(folder.iterdir())
        if "/resolve/" in self.path:
            body = (folder / self.path.rpartition("/")[2]).read_bytes()
            return self._answer(200, body, {"ETag": f'"{hashlib.sha1(body).hexdigest()}"', "X-Repo-Commit": COMMIT})
        if "/tree/" in self.path:
            tree = [{"type": "file", "path": f.name, "size": f.stat().st_size, "oid": "0" * 40} for f in files]
            return self._answer(200, json.dumps(tree).encode(), {})
        siblings = [{"rfilename": file.name} for file in files]
        info = {"id": "someone/model", "sha": COMMIT, "siblings": siblings, "private": self.hub.private, "tags": []}
        return self._answer(200, json.dumps(info).encode(), {})

    def do_POST(self) -> None:
        """Take a commit: a repository is made, its files are announced, then all come at once."""
        self.hub.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.hub.refusal is not None:
            return self._refuse()
        if self.path.endswith("/repos/create"):
            if self.hub.is_there:
                return self._answer(409, json.dumps({"url": f"{constants.ENDPOINT}/someone/pilot"}).encode(), {})
            self.hub.private = json.loads(body).get("visibility") == "private"
            answer: Any = {"url": f"{constants.ENDPOINT}/someone/pilot"}
        elif "/preupload/" in self.path:
            named = [file["path"] for file in json.loads(body)["files"]]
            answer = {"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in named]}
        elif "/commit/" in self.path:
            lines = [json.loads(line) for line in body.splitlines()]
            files = [line["value"] for line in lines if line["key"] == "file"]
            self.hub.taken = {file["path"]: base64.b64decode(file["content"]) for file in files}
            answer = {"commitUrl": f"{constants.ENDPOINT}/someone/pilot/commit/{COMMIT}", "commitOid": COMMIT}
        else:  # the front matter is to be looked at
            answer = {"warnings": [], "errors": []}
        return self._answer(200, json.dumps(answer).encode(), {})

    def _refuse(self) -> None:
        status, code = self.hub.refusal or Refusal(500, "")
        self._answer(status, b"{}", {"X-Error-Code": code, "X-Error-Message": "no"})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body)), "Content-Type": "application/json"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing."""


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


def leave_this_machine_out(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Leave out this machine's own downloads, token and proxy."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "token"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
