"""Short turns are had while they are asked for, by the thread that asks alone, and nothing is lost without them."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import threading
from collections.abc import Callable

import pytest

from ontick import scheduling
from ontick.scheduling import SHORT_TURN_NS, short_turns

GETATTR = {"x86_64": 315, "aarch64": 275}
linux = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in GETATTR, reason="only Linux shares by turns"
)


def turn_ns() -> int:
    """How long the calling thread's turns are, as the kernel says; 0 where it does not know of such."""
    attributes = (ctypes.c_uint64 * 7)()
    size = ctypes.sizeof(attributes)
    assert ctypes.CDLL(None).syscall(GETATTR[platform.machine()], 0, ctypes.byref(attributes), size, 0) == 0
    return attributes[3]


def elsewhere(call: Callable[[], int]) -> int:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


@linux
def test_turns_are_short_meanwhile_and_as_before_afterwards() -> None:
    before = turn_ns()
    with short_turns():
        assert turn_ns() in {SHORT_TURN_NS, before}, "before: a kernel that gives all the same"
        assert elsewhere(turn_ns) == before, "a controller's thread has turns as usual"
    assert turn_ns() == before


@linux
def test_priorities_stay_as_they_are() -> None:
    def with_short_turns() -> int:
        with short_turns():
            return os.getpriority(os.PRIO_PROCESS, 0)

    def niced() -> int:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 7)
        return with_short_turns()

    assert with_short_turns() == os.getpriority(os.PRIO_PROCESS, 0)
    assert elsewhere(niced) == 7


def test_without_such_a_system_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling.platform, "machine", lambda: "pdp11")
    with short_turns():
        pass
