"""Can llama.cpp's fastest kernels be trusted on this machine?

Its AMX kernels crash when built by GCC 12 and others without the Makefile's flags (ggml-org/llama.cpp issue
20824, pull request 26954). Whether they do shows only by running them, so that is done once, in a process of its own.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import llama_cpp

from ontick.cache import cache_folder, made_whole

_api: Any = llama_cpp
"""llama-cpp-python's low-level functions are typed as ctypes stubs that no checker can follow."""

_AMX = b"AMX_INT8 = 1"

_TOKENS = 20
"""More than one tile of 16 rows."""


def are_sound(model: Path) -> bool:
    """Say whether repacked weights, the only way to the kernels in question, can be used; remembered for each build."""
    if _AMX not in _api.llama_print_system_info():
        return True
    remembered = cache_folder() / "kernels" / f"{build()}.json"
    with suppress(OSError, ValueError, KeyError):
        return bool(json.loads(remembered.read_text())["sound"])
    tried = subprocess.run(
        [sys.executable, "-m", "ontick.models.llama.kernels", str(model)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    sound = tried.returncode == 0
    with suppress(OSError), made_whole(remembered) as partial:
        partial.write_text(json.dumps({"sound": sound}))
    return sound


def are_all_there() -> bool:
    """Say whether this llama.cpp was compiled as the Makefile does: for all that this processor has, without OpenMP.

    GNU OpenMP lets threads of a program with more of them than cores wait in the kernel at every barrier, of which a
    decision has a thousand: with a thread for the clock and one a core for the model, that is 65 ms instead of 8.
    """
    built_with = _api.llama_print_system_info()
    cpuinfo = Path("/proc/cpuinfo")
    has_amx = cpuinfo.exists() and " amx_int8" in cpuinfo.read_text()
    return b"OPENMP = 1" not in built_with and (_AMX in built_with or not has_amx)


def build() -> str:
    """Digest which llama.cpp this is: its compiled files' names, sizes and times."""
    digest = hashlib.sha256()
    for file in sorted((Path(_api.__file__).parent / "lib").glob("*")):
        status = file.stat()
        digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def _try_them(model: str) -> None:
    """Read some tokens by the kernels; a crash ends the process."""
    _api.llama_backend_init()
    loaded = _api.llama_model_load_from_file(os.fsencode(model), _api.llama_model_default_params())
    if not loaded:
        return  # whatever is wrong with the file, it is not the kernels
    parameters = _api.llama_context_default_params()
    parameters.n_ctx = 64
    context = _api.llama_init_from_model(loaded, parameters)
    tokens = (_api.llama_token * _TOKENS)(*range(1, 1 + _TOKENS))
    _api.llama_decode(context, _api.llama_batch_get_one(tokens, _TOKENS))


if __name__ == "__main__":
    _try_them(sys.argv[1])
