"""Where the program starts: ``ontick`` and ``python -m ontick``."""

from __future__ import annotations

import sys


def start() -> int:
    """Run the command line; Ctrl-C while it is still being imported ends it quietly too."""
    try:
        from ontick.cli import main
    except KeyboardInterrupt:
        return 130
    return main()


if __name__ == "__main__":
    sys.exit(start())
