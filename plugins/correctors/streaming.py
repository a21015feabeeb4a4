"""Walks a stack slice by slice, in threads, so that memory does not grow with its slices."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from fib_plugins.threads import threads_for
from fibcore import Context, Table
from fibcore.roles import Abscissa, Curve, Role

T = TypeVar("T")
Item = TypeVar("Item")


def in_order(
    work: Callable[[Item], T], items: Iterable[Item], context: Context, what: str, bytes_each: int
) -> Iterator[T]:
    """Yield ``work(item)`` of each item, in order, from several threads; reports progress.

    At most two results for each thread wait to be taken, so that a slow consumer does not fill the
    memory. After an error, or if the generator is closed, items that have not started are left out.

    Args:
        work: releases the interpreter lock for most of its time.
        items: the items, slices for instance.
        context: threads and progress.
        what: description of the work, for the progress.
        bytes_each: memory that a thread takes; fewer threads are at work if it is much.
    """
    items = list(items)
    threads = threads_for(bytes_each, context.threads)
    waiting: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="fib") as pool:
        try:
            left = iter(items)
            for done in range(1, len(items) + 1):
                while len(waiting) < 2 * threads and (item := next(left, None)) is not None:
                    waiting.append(pool.submit(work, item))
                result = waiting.popleft().result()
                yield result
                context.progress(done, len(items), what)
        finally:
            for future in waiting:
                future.cancel()


def as_dtype(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return grey values in an element type; integers are rounded and clipped to its range."""
    if dtype.kind not in "ui":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)


def corrections(columns: Mapping[str, np.ndarray]) -> Table:
    """Return a table of corrections, one row per slice; ``slice`` is added as its first column.

    Args:
        columns: name, with unit -> values of the slices.
    """
    count = len(next(iter(columns.values())))
    roles: dict[str, Role] = {"slice": Abscissa(), **{name: Curve() for name in columns}}
    return Table({"slice": np.arange(count), **columns}, roles)
