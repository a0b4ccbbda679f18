"""Run the command line with ``python -m ontick``."""

from ontick.cli import main

raise SystemExit(main())
