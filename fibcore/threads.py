"""Work on parts of a volume in several threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ContextDecorator, ExitStack
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""What the BLAS that wheels of NumPy and SciPy bring along reads when it is loaded."""


def in_threads(function: Callable[[T], R], items: Iterable[T], threads: int) -> list[R]:
    """Return ``[function(item) for item in items]``, with several threads at work.

    For functions that spend their time without Python's global lock: Numba functions compiled with
    ``nogil=True`` and large numpy operations. Cut the work into items without regard
    to the number of threads (slices, slabs), and the result cannot depend on it. Such functions
    compile several times faster than ones with Numba's own ``parallel=True``. Context variables
    have the values that they have here.

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


class OneBlasThread(ContextDecorator):
    """A block in which products of vectors and matrices use one thread each.

    In which order BLAS adds depends on the number of its threads, and with it the last bits of
    products, distances and fits. All steps of a pipeline run in such a block; functions whose
    result comes from products are one themselves (``@one_blas_thread``), for those who call them
    from Python. Several products can go on at a time, in threads of fib's own, and blocks within
    blocks or in several threads are one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._undo = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._blocks == 0:
                from threadpoolctl import threadpool_limits

                # The variable is for those that are loaded inside the block.
                self._undo.callback(_set, BLAS_THREADS, os.environ.get(BLAS_THREADS))
                os.environ[BLAS_THREADS] = "1"
                self._undo.enter_context(threadpool_limits(1, user_api="blas"))
            self._blocks += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._blocks -= 1
            if self._blocks == 0:
                self._undo.close()


one_blas_thread = OneBlasThread()


def _set(variable: str, value: str | None) -> None:
    if value is None:
        del os.environ[variable]
    else:
        os.environ[variable] = value
