"""How does the clock's thread get a processor as soon as its tick is due, though others are busy?

Linux shares processors by earliest virtual deadline (EEVDF, since 6.6): a thread that asks for short turns is let in
before one that is in the middle of a long turn, and gets no more in all. Since 6.12 anyone may ask for such a length,
without privileges (``sched_setattr(2)``). Elsewhere nothing is asked and nothing is lost.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Generator
from contextlib import contextmanager

SHORT_TURN_NS = 100_000
"""The shortest that the kernel gives."""

_CALLS = {"x86_64": (314, 315), "aarch64": (274, 275)}
"""The numbers of ``sched_setattr`` and ``sched_getattr``; the C library has had names for them only since 2024."""

_NOT_FOR_CHILDREN = 0x01
"""``SCHED_FLAG_RESET_ON_FORK``: threads that are started meanwhile, such as a controller's, have turns as usual."""


class _SchedAttr(ctypes.Structure):
    """The first version of ``struct sched_attr`` (linux/sched/types.h); ``runtime`` is the turn's length."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


@contextmanager
def short_turns() -> Generator[None]:
    """Let the calling thread have short turns, soon, while open, where the system knows of such."""
    if sys.platform != "linux" or platform.machine() not in _CALLS or os.sched_getscheduler(0) != os.SCHED_OTHER:
        yield
        return
    set_attributes, get_attributes = _CALLS[platform.machine()]
    system = ctypes.CDLL(None).syscall
    attributes = _SchedAttr()
    size = ctypes.sizeof(attributes)
    known = system(get_attributes, 0, ctypes.byref(attributes), size, 0) == 0
    as_before_ns = attributes.runtime
    attributes.flags |= _NOT_FOR_CHILDREN
    attributes.runtime = SHORT_TURN_NS
    # A kernel before 6.12 takes no notice of a length, and tells none.
    granted = known and as_before_ns and system(set_attributes, 0, ctypes.byref(attributes), 0) == 0
    try:
        yield
    finally:
        if granted:
            attributes.runtime = as_before_ns
            system(set_attributes, 0, ctypes.byref(attributes), 0)
