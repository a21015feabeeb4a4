"""Work on independent items, several at a time, with results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_order(
    work: Callable[[int], Result], items: Sequence[int], workers: int, threads: int
) -> Iterator[Result]:
    """Yield work(item) in order, computed by some workers of `threads` torch threads each.

    Items do not touch one another: unlike torch's own threads, workers cannot change a result.
    """
    if workers <= 1 or len(items) == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(
        workers, initializer=torch.set_num_threads, initargs=(threads,)
    ) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
