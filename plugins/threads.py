"""Processes parts of a volume in several threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORK_BYTES, WORK_SHARE = 5 * 2**28, 1 / 16
"""Most memory of the threads of a step together, if more than one of them is at work: so many
bytes, or this share of the machine's memory if that is more."""


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """Return ``[function(item) for item in items]``, computed by several threads.

    It is meant for functions that release Python's global lock: Numba functions compiled with
    `fib_plugins.compiled.compiled` and large NumPy operations. If the items (slices, slabs) do not
    depend on the number of threads, neither does the result. Such functions compile several times
    faster than functions with Numba's own ``parallel=True``. Context variables have the values of
    the caller.

    Args:
        function: called once for each item; calls must not write to the same place.
        items: the items.
        threads: number of threads, usually ``context.threads``; with one, no thread is started.

    Returns:
        Results in the order of the items. The first error, or an interruption, is raised when the
        running calls have ended; no further calls are started.
    """
    if threads <= 1:
        return [function(item) for item in items]
    pool = ThreadPoolExecutor(threads, thread_name_prefix="fib")
    here = copy_context()
    try:
        return list(pool.map(lambda item: here.copy().run(function, item), items))
    finally:
        pool.shutdown(cancel_futures=True)


def threads_for(bytes_each: int, threads: int) -> int:
    """Return how many threads may work at a time on large slices.

    Args:
        bytes_each: memory that each of them takes.
        threads: their number where memory is no limit.
    """
    return max(1, min(threads, _most_bytes() // max(1, bytes_each)))


@cache
def _most_bytes() -> int:
    import psutil

    return max(WORK_BYTES, int(WORK_SHARE * psutil.virtual_memory().total))


def bytes_in_threads(bytes_each: int, parts: int | None = None) -> int:
    """Return the memory of the threads of `threads_for` on this machine, for forecasts.

    Args:
        bytes_each: memory that each of them takes.
        parts: number of parts of the work; fewer parts than threads keep fewer at work.
    """
    threads = os.cpu_count() or 1
    return bytes_each * threads_for(bytes_each, threads if parts is None else min(threads, parts))
