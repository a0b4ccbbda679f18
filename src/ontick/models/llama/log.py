"""How is llama.cpp kept from writing on the terminal, and what was the last thing that it complained of?"""

from __future__ import annotations

import ctypes
from typing import Any

import llama_cpp

_api: Any = llama_cpp
"""llama-cpp-python's low-level functions are typed as ctypes stubs that no checker can follow."""

_LOG_ERROR = 3
"""GGML_LOG_LEVEL_ERROR in ggml.h."""


class Quiet:
    """Keeps llama.cpp's log off the terminal while open, and remembers its last error."""

    last_error = "no reason given"

    def __enter__(self) -> Quiet:
        self._callback = llama_cpp.llama_log_callback(self._hear)
        _api.llama_log_set(self._callback, ctypes.c_void_p(0))
        return self

    def __exit__(self, *_: object) -> None:
        _api.llama_log_set(_SILENCE, ctypes.c_void_p(0))

    def _hear(self, level: int, text: bytes, _: object) -> None:
        line = text.decode(errors="replace").strip()
        if level == _LOG_ERROR and line:
            self.last_error = line


def _say_nothing(level: int, text: bytes, user_data: object) -> None:
    """Drop a log line."""


_SILENCE = llama_cpp.llama_log_callback(_say_nothing)
