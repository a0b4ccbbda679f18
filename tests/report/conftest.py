from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reports import MAKERS


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Find a recorded run by its name; each is flown once."""
    folder, made = tmp_path_factory.mktemp("runs"), dict[str, Path]()

    def find(name: str) -> Path:
        if name not in made:
            made[name] = MAKERS[name](folder)
        return made[name]

    return find
