"""Is a folder ours alone that is worked on for hours? Two at once would spoil each other's work without a word."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ontick.cache import cache_file
from ontick.errors import OntickError


@contextmanager
def alone_in(folder: Path) -> Generator[None]:
    """Keep every other process of this user on this machine out of ``folder`` while open.

    Nothing is written into the folder itself, and the system ends it with the process, however that ends. Where the
    cache cannot be written, nobody is kept out.

    Raises:
        OntickError: another one works there, or this one already does.
    """
    path = cache_file("at-work", ".lock", str(folder.expanduser().resolve()))
    lock = FileLock(path, blocking=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise OntickError(f"another ontick works in {folder}; wait until it ends, or choose another --to") from error
    except OSError:
        pass
    try:
        yield
    finally:
        lock.release()
