"""How is the default browser shown the page without telling the token to whoever can list this machine's processes?"""

from __future__ import annotations

import html
import tempfile
import webbrowser
from pathlib import Path


def open_browser(url: str, folder: Path) -> bool:
    """Have the default browser open ``url``; say whether there is one.

    A browser's command line is no secret. So it is given a file in ``folder``, which only its owner may read, that
    leads to the page.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".html", dir=folder, delete=False) as file:
        address = html.escape(url, quote=True)
        file.write(
            f'<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>Ontick</title>'
            f'<meta http-equiv="refresh" content="0; url={address}"><a href="{address}">Ontick</a>\n'
        )
    return webbrowser.open(Path(file.name).as_uri())
