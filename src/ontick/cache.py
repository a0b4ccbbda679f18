"""Where is kept what can be made again? A folder of the user's."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return where results that can be made again are remembered (``$XDG_CACHE_HOME/ontick``)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "ontick"
