"""Which rows are made when, and which of them at once?

A row is begun when those that it builds upon have ended. One that flies in real time has the machine to itself, since
whatever else ran would be measured too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import Any

from ontick.reproduction.row import Row


def side_by_side(rows: Sequence[Row], make: Callable[[Row], None], jobs: int = 1) -> None:
    """Make rows in their order, up to ``jobs`` at once.

    Args:
        rows: to be made; what they build upon comes before them, or is not among them.
        make: makes one. What it raises is raised here, when those that were being made meanwhile have ended.
        jobs: 1 makes each in this thread.
    """
    waiting, running = list(rows), dict[Future[None], Row]()
    with _Here() if jobs == 1 else ThreadPoolExecutor(jobs) as pool:
        while waiting or running:
            while (row := _next(waiting, running.values(), jobs)) is not None:
                waiting.remove(row)
                running[pool.submit(make, row)] = row
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                del running[future]
                future.result()


def _next(waiting: Sequence[Row], running: Collection[Row], jobs: int) -> Row | None:
    """Return the row that can be begun now; None: wait."""
    if len(running) == jobs or any(row.in_real_time for row in running):
        return None
    to_come = {row.name for row in (*waiting, *running)}
    ready = (row for row in waiting if to_come.isdisjoint(row.after))
    return next((row for row in ready if not (running and row.in_real_time)), None)


class _Here(Executor):
    """Does everything at once, where it is asked for."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call ``fn``; return what came of it."""
        future = Future[Any]()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future
