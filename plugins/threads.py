"""Work on parts of a volume in several threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """Return ``[function(item) for item in items]``, with several threads at work.

    For functions that spend their time without Python's global lock: Numba functions compiled with
    `fib_plugins.compiled.compiled` and large numpy operations. Cut the work into items without
    regard to the number of threads (slices, slabs), and the result cannot depend on it. Such
    functions compile several times faster than ones with Numba's own ``parallel=True``. Context
    variables have the values that they have here.

    Args:
        function: called once for each item; items must not write to the same place.
        items: what to work on.
        threads: how many threads, usually ``context.threads``; with one, no thread is started.

    Returns:
        Results in the order of the items. The first error, or an interruption, is raised once the
        calls under way have ended; no further ones are begun.
    """
    if threads <= 1:
        return [function(item) for item in items]
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fib")
    here = copy_context()
    try:
        return list(pool.map(lambda item: here.copy().run(function, item), items))
    finally:
        pool.shutdown(cancel_futures=True)
