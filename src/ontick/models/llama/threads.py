"""Which threads does llama.cpp compute with? Some that wait between decisions, instead of new ones for each.

Left alone, a llama.cpp without OpenMP starts threads for every reading. A new thread often begins on the core of the
one that started it and is moved later, so a decision of 9 ms took 18 in the rhythm of a flight. Threads of a pool wake
up where they are. They do not poll while they wait: the core is the clock's then.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import llama_cpp

_MOST_THREADS = 512
"""GGML_MAX_N_THREADS in ggml.h."""

_POLL_AS_IT_COMES = 50


class _Parameters(ctypes.Structure):
    """``ggml_threadpool_params`` in ggml.h, with room for what later versions may add."""

    _fields_ = (
        ("cpumask", ctypes.c_bool * _MOST_THREADS),
        ("n_threads", ctypes.c_int),
        ("prio", ctypes.c_int),
        ("poll", ctypes.c_uint32),
        ("later", ctypes.c_char * 4096),
    )


def attach_threads(context: Any, count: int) -> ctypes.c_void_p | None:
    """Give a llama.cpp context ``count`` threads of its own; return their pool, or None where that cannot be done."""
    library = _library()
    if count < 2 or count > _MOST_THREADS or library is None:
        return None
    parameters: Any = _Parameters()
    library.ggml_threadpool_params_init(ctypes.byref(parameters), ctypes.c_int(count))
    if (parameters.n_threads, parameters.poll) != (count, _POLL_AS_IT_COMES):
        return None  # another version's parameters
    parameters.poll = 0
    library.ggml_threadpool_new.restype = ctypes.c_void_p
    pool = ctypes.c_void_p(library.ggml_threadpool_new(ctypes.byref(parameters)))
    if pool:
        library.llama_attach_threadpool(ctypes.c_void_p(context), pool, pool)
    return pool or None


def share_threads(context: Any, pool: ctypes.c_void_p | None) -> None:
    """Let another context compute with the threads of ``pool``, which must never be used by two at once."""
    library = _library()
    if pool is not None and library is not None:
        library.llama_attach_threadpool(ctypes.c_void_p(context), pool, pool)


def free_threads(pool: ctypes.c_void_p | None) -> None:
    """End the threads of a pool whose context is gone."""
    library = _library()
    if pool is not None and library is not None:
        library.ggml_threadpool_free(pool)


def _library() -> Any:
    """Return libllama with what it is linked to, or None where it has no pools to attach."""
    suffix = "dylib" if sys.platform == "darwin" else "so"
    file = Path(str(llama_cpp.__file__)).parent / "lib" / f"libllama.{suffix}"
    try:
        library = ctypes.CDLL(str(file))
        return library if library.llama_attach_threadpool and library.ggml_threadpool_new else None
    except (OSError, AttributeError):
        return None
