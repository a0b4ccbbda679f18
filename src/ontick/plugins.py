"""How is code from outside the package brought in? A user's file, an importable module, ``module:attribute``."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ontick.errors import OntickError, blame


def load_module(where: str) -> ModuleType:
    """Import a Python file (a path that ends in .py) or a module on the path.

    Raises:
        OntickError: there is no such file or module, or importing it failed.
    """
    try:
        return _load_file(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    except OntickError:
        raise
    except ModuleNotFoundError as error:
        raise OntickError(f"cannot import {where} ({error}); give a .py file or an installed module") from error
    except (Exception, SystemExit) as error:
        raise OntickError(f"importing {where} failed: {blame(error)}") from error


def load_attribute(target: str) -> object:
    """Import ``module:attribute`` or ``file.py:attribute``.

    Raises:
        OntickError: the module cannot be imported or does not have the attribute.
    """
    where, _, name = target.rpartition(":")
    if not where:
        raise OntickError(f"{target!r} names no attribute; write MODULE:NAME or FILE.py:NAME")
    module = load_module(where)
    if not hasattr(module, name):
        raise OntickError(f"{where} has no {name!r}; write MODULE:NAME or FILE.py:NAME")
    return getattr(module, name)


def _load_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise OntickError(f"no such file: {path}; give a Python file that exists")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    name = f"ontick_plugin_{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise OntickError(f"{path} is not a Python file; give one")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
