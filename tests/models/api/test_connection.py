"""The line to an API is what it is said to be: over plain TCP, over TLS, and when it fails."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from api_server import KEY, MODEL, Proxy, free_port, running_proxy
from ontick.models.api.address import find_address
from ontick.models.api.connection import Line, check_line
from ontick.models.base import Message
from ontick.models.catalog import load_model

QUESTION = [Message("user", "1 or 0?")]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure_proxy(api_port: int, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """The proxy with a certificate that nobody but its own authority vouches for."""
    certificate = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued: Any = authority.issue_cert("127.0.0.1")
    issued.configure_cert(certificate)
    monkeypatch.setenv("ONTICK_API_KEY", KEY)
    with running_proxy(api_port, certificate) as proxy:
        yield proxy


@pytest.fixture
def trusted(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(file))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))


def check(proxy: Proxy, round_trips: int = 5) -> Line:
    return check_line(find_address(f"{proxy.url}#{MODEL}"), 5, round_trips)


def test_round_trips_go_over_one_connection_without_a_key(proxy: Proxy) -> None:
    line = check(proxy)
    assert line.host == f"127.0.0.1:{proxy.port}"
    assert line.connect_ms is not None
    assert line.connect_ms > 0
    assert line.tls_ms is None
    assert len(line.round_trips_ms) == 5
    assert line.failures == ()
    assert proxy.connections == 1
    assert {asked.method for asked in proxy.asked} == {"HEAD"}
    assert not any("authorization" in asked.headers for asked in proxy.asked)
    assert not proxy.questions


@pytest.mark.usefixtures("trusted")
def test_a_handshake_is_timed_apart(secure_proxy: Proxy) -> None:
    line = check(secure_proxy)
    assert line.tls_ms is not None
    assert line.tls_ms > 0
    assert len(line.round_trips_ms) == 5


@pytest.mark.usefixtures("trusted")
def test_a_model_is_asked_over_tls_on_one_connection_too(secure_proxy: Proxy) -> None:
    model = load_model(secure_proxy.word)
    model.warm_up(QUESTION)
    assert model.complete(QUESTION, 2).text
    assert secure_proxy.connections == 1


def test_a_certificate_that_nobody_vouches_for_is_a_failure(secure_proxy: Proxy) -> None:
    line = check(secure_proxy)
    assert line.failures == ("SSLCertVerificationError",)
    assert line.connect_ms is None
    assert line.round_trips_ms == ()


def test_requests_that_fail_are_counted_and_the_rest_are_timed(proxy: Proxy) -> None:
    proxy.fault_elsewhere = "reset"
    line = check(proxy)
    assert len(line.failures) == 6
    assert line.round_trips_ms == ()
    assert line.connect_ms is not None


def test_nobody_there_is_one_failure() -> None:
    line = check_line(find_address(f"http://127.0.0.1:{free_port()}/v1#m"), 5)
    assert line.failures == ("ConnectionRefusedError",)
    assert line.connect_ms is line.jitter_ms is None


def line_of(trips: list[float]) -> Line:
    return Line("host", 1, None, tuple(trips), ())


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=20), st.floats(0, 1e4))
def test_jitter_knows_only_the_differences(trips: list[float], shift: float) -> None:
    jitter_ms = line_of(trips).jitter_ms
    assert jitter_ms is not None
    assert 0 <= jitter_ms <= max(trips) - min(trips) + 1e-9
    assert line_of([trip + shift for trip in trips]).jitter_ms == pytest.approx(jitter_ms, abs=1e-6)


def test_jitter_of_a_known_line() -> None:
    assert line_of([10, 12, 9, 9]).jitter_ms == pytest.approx((2 + 3 + 0) / 3)
    assert line_of([10]).jitter_ms is None
