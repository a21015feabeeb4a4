"""One thread for products of vectors and matrices."""

from __future__ import annotations

import os
import threading
from contextlib import ContextDecorator, ExitStack

BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""Variable read at load time by the BLAS in the wheels of NumPy and SciPy."""


class OneBlasThread(ContextDecorator):
    """A block in which products of vectors and matrices use one thread each.

    The order in which BLAS adds depends on the number of its threads, and so do the last bits of
    products, distances and fits. All steps of a pipeline run in such a block. Functions whose
    result depends on products are decorated with ``@one_blas_thread``, for calls from Python.
    Several products can be computed at a time in fib's own threads. Blocks can be nested and used
    in several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks = 0
        self._undo = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._blocks == 0:
                from threadpoolctl import threadpool_limits

                # The variable is for libraries that are loaded inside the block.
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
