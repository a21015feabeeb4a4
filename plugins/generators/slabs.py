"""Work on slabs of a volume in several threads; their number does not change the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from fib_plugins.threads import threads_for
from fibcore.context import Context
from fibcore.threads import one_blas_thread

Item = TypeVar("Item")
Result = TypeVar("Result")

SLAB_VOXELS = 2**21
"""Voxels of a slab: few enough for all its temporary arrays to stay near 50 MB."""

Slab = tuple[int, int]
"""First slice of a slab and the one after its last."""


def slabs_of(shape: tuple[int, int, int]) -> list[Slab]:
    """Return the slabs into which a volume of this (z, y, x) shape is divided."""
    thickness = max(1, SLAB_VOXELS // (shape[1] * shape[2]))
    return [(start, min(start + thickness, shape[0])) for start in range(0, shape[0], thickness)]


def in_threads(
    work: Callable[[Item], Result], items: Iterable[Item], context: Context, bytes_each: int = 0
) -> Iterator[Result]:
    """Yield ``work(item)`` of every item, in order, from `context.threads` threads.

    While it runs, matrix products use one thread each.

    Args:
        work: must release the interpreter lock (NumPy, Numba with ``nogil``) to be faster.
        items: the items; they must not depend on the number of threads.
        context: gives the number of threads.
        bytes_each: memory that a thread takes; if it is much, fewer are at work.
    """
    threads = threads_for(bytes_each, context.threads)
    with one_blas_thread, ThreadPoolExecutor(threads) as pool:
        try:
            yield from pool.map(work, items)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
