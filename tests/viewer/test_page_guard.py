"""Whoever was given the URL gets in, from the page at that URL, and no one else does."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ontick.viewer.guard import Guard, exposure, headers, is_loopback, new_token

TOKEN = new_token()
HERE = Guard(TOKEN, "127.0.0.1", 8765)
PAGE = f"/{TOKEN}/"


def ask(
    judge: Guard = HERE,
    path: str = PAGE,
    hosts: tuple[str, ...] = ("127.0.0.1:8765",),
    origins: tuple[str, ...] = (),
    method: str = "GET",
    websocket: bool = False,
) -> str | None:
    return judge.judge(method, path, hosts, origins, websocket=websocket).path


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "LocalHost:8765"])
def test_the_page_is_answered_by_every_name_of_this_machine(host: str) -> None:
    assert ask(hosts=(host,)) == "/"
    assert ask(hosts=(host,), path=f"/{TOKEN}/runs/abc") == "/runs/abc"
    assert ask(hosts=(host,), path=f"/{TOKEN}/ws", origins=(f"http://{host}",), websocket=True) == "/ws"


@pytest.mark.parametrize(
    "host",
    ["evil.example:8765", "127.0.0.1", "127.0.0.1:8766", "localhost", "127.0.0.1.evil.example:8765", "", ":8765"]
    + ["[::1]", "127.0.0.2:8765", "127.0.0.1:8765:1", "127.0.0.1:08765x", "user@127.0.0.1:8765", "0.0.0.0:8765"],
)
def test_a_name_that_was_made_to_point_here_is_refused(host: str) -> None:
    assert ask(hosts=(host,)) is None
    assert ask(hosts=(host,), path=f"/{TOKEN}/ws", origins=(f"http://{host}",), websocket=True) is None


@pytest.mark.parametrize("hosts", [(), ("127.0.0.1:8765", "127.0.0.1:8765"), ("127.0.0.1:8765", "evil.example")])
def test_there_must_be_one_host(hosts: tuple[str, ...]) -> None:
    assert ask(hosts=hosts) is None


@pytest.mark.parametrize(
    "origins",
    [(), ("null",), ("http://evil.example",), ("https://127.0.0.1:8765",), ("http://127.0.0.1",)]
    + [("http://localhost:8765",), ("http://127.0.0.1:8765", "http://evil.example"), ("http://127.0.0.1:8765/",)],
)
def test_a_websocket_of_another_page_is_refused(origins: tuple[str, ...]) -> None:
    assert ask(path=f"/{TOKEN}/ws", origins=origins, websocket=True) is None


@given(st.text(max_size=40))
def test_no_other_token_opens_anything(guess: str) -> None:
    if guess != TOKEN and not guess.startswith(f"{TOKEN}/"):
        assert ask(path=f"/{guess}/") is None
        assert ask(path=guess) is None


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "//",
        pytest.param(f"/{TOKEN[:-1]}/", id="cut"),
        pytest.param(f"/{TOKEN}x/", id="longer"),
        pytest.param(f"/{TOKEN.swapcase()}/", id="other case"),
        "/runs",
        "/é/",
    ],
)
def test_the_token_is_whole_or_wrong(path: str) -> None:
    assert ask(path=path) is None


def test_a_token_is_never_given_twice() -> None:
    tokens = [new_token() for _ in range(100)]
    assert len(set(tokens)) == 100
    assert min(map(len, tokens)) >= 32


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT", "PATCH"])
def test_nothing_is_changed_by_a_request(method: str) -> None:
    assert ask(method=method) is None


def test_every_refusal_says_what_to_do() -> None:
    refused = (
        HERE.judge("GET", PAGE, ["evil.example"], [], websocket=False),
        HERE.judge("GET", "/", ["127.0.0.1:8765"], [], websocket=False),
        HERE.judge("GET", PAGE, ["127.0.0.1:8765"], [], websocket=True),
        HERE.judge("POST", PAGE, ["127.0.0.1:8765"], [], websocket=False),
    )
    for verdict in refused:
        assert verdict.path is None
        assert "`ontick watch` printed" in verdict.why
        assert TOKEN not in verdict.why


def test_an_address_of_ones_own_is_answered_and_names_are_not() -> None:
    everywhere = Guard(TOKEN, "0.0.0.0", 80)
    assert ask(everywhere, hosts=("192.168.1.7",)) == "/"
    assert ask(everywhere, hosts=("[fe80::1]:80",)) == "/"
    assert ask(everywhere, hosts=("evil.example",)) is None
    named = Guard(TOKEN, "box.local", 80)
    assert ask(named, hosts=("Box.local",)) == "/"
    assert ask(named, hosts=("192.168.1.7",)) is None


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1/"), ("0.0.0.0", "http://127.0.0.1:1/"), ("::", "http://127.0.0.1:1/")]
    + [("::1", "http://[::1]:1/"), ("box.local", "http://box.local:1/")],
)
def test_the_url_is_one_that_is_answered(host: str, url: str) -> None:
    judge = Guard(TOKEN, host, 1)
    assert judge.url == f"{url}{TOKEN}/"
    assert ask(judge, hosts=(url.removeprefix("http://").rstrip("/"),)) == "/"


def test_only_loopback_is_loopback_and_the_rest_says_what_it_exposes() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.1.7", "box.local", "localhost.evil.example", "")))
    lines = exposure(Guard(TOKEN, "0.0.0.0", 8765))
    assert "every address" in lines[0]
    assert all("\n" not in line and TOKEN not in line for line in lines)


def test_the_browser_runs_nothing_that_does_not_come_from_here() -> None:
    found = headers("127.0.0.1:8765", ["sha256-abc="])
    policy = dict(part.split(" ", 1) for part in found["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self' 'sha256-abc='"
    assert policy["connect-src"] == "'self' ws://127.0.0.1:8765"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert not any("unsafe" in part or "*" in part for part in itertools.chain(policy.values()))
    assert found["Cache-Control"] == "no-store"
    assert found["Referrer-Policy"] == "no-referrer"  # the token is in the URL
