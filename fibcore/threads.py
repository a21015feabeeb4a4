"""How many threads Numba's parallel loops use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def numba_threads(threads: int) -> Iterator[int]:
    """Limit the parallel loops of Numba within the block; afterwards the limit is as before.

    Args:
        threads: how many threads are wanted, usually ``context.threads``. More than Numba was
            started with (as many as the machine has cores, or ``NUMBA_NUM_THREADS``) is cut to
            that; less than one counts as one.

    Yields:
        How many threads there are.
    """
    import numba

    before = numba.get_num_threads()
    granted = max(1, min(threads, numba.config.NUMBA_NUM_THREADS))
    numba.set_num_threads(granted)
    try:
        yield granted
    finally:
        numba.set_num_threads(before)
