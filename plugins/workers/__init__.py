"""Workers that execute the steps of a run: processes of this machine, Dask, batch systems."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fibcore.pipeline.workers import OpenWorkers

JOBS, LOCAL = "jobs:", "local:"
SCHEMES = ("tcp://", "tls://", "ws://", "wss://", "ucx://")
FILES = (".yaml", ".yml")


def workers_named(where: str) -> OpenWorkers | None:
    """Return a function that opens workers; None for other names.

    Args:
        where: ``jobs:N``: N processes that execute one step each; ``jobs:auto``: as many as fit;
            ``local:N``: a Dask cluster of N processes; the address of a Dask scheduler; a file that
            describes jobs of a batch system (see `fib_plugins.workers.batch`).
    """
    if where.startswith(JOBS):
        from fib_plugins.workers.jobs import open_processes

        return partial(open_processes, where.removeprefix(JOBS))
    if where.startswith(LOCAL):
        from fib_plugins.workers.clusters import open_local

        return partial(open_local, where.removeprefix(LOCAL))
    if where.startswith(SCHEMES):
        from fib_plugins.workers.clusters import open_scheduler

        return partial(open_scheduler, where)
    if where.endswith(FILES):
        from fib_plugins.workers.batch import open_batch

        return partial(open_batch, where)
    return None
