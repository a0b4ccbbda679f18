from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from api_server import KEY, Proxy, llama_server, running_proxy
from browser import running_chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# A shared machine may stall any example for a while; that is no failure.
settings.register_profile("shared", deadline=None, max_examples=60)
settings.load_profile("shared")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def api_port() -> Iterator[int]:
    """The embedded model behind a real server, which wants a key."""
    with llama_server() as port:
        yield port


@pytest.fixture
def proxy(api_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before that server, with the key for it in the environment."""
    monkeypatch.setenv("ONTICK_API_KEY", KEY)
    with running_proxy(api_port) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A real browser; skipped where there is none, but not in CI."""
    with running_chromium() as browser:
        yield browser
