"""Work on independent items, several at a time, with results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(
    work: Callable[[int], Result], items: Sequence[int], workers: int, threads: int
) -> Iterator[Result]:
    """Yield work(item) in order, computed by some workers of `threads` torch threads each.

    Items are independent: unlike torch's own threads, the number of workers cannot change a result.
    """
    if workers <= 1 or len(items) == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(
        workers, initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        yield from ordered(pool, work, items, workers)


def ordered(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], most: int
) -> Iterator[Result]:
    """Yield work(item) in order; at most so many items are started before they are requested.

    An error is raised in place of its item. The pool ends with the generator.
    """
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
