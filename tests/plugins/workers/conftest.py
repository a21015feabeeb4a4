"""A Dask cluster of two workers on this machine."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

import distributed
import pytest
import worker_toys  # registers its plugins

from fib_plugins.workers.clusters import SETTINGS, open_scheduler

assert worker_toys


@contextmanager
def two_workers():
    """Start a scheduler with two workers."""
    import dask

    options = {"dashboard_address": None, "memory_limit": None, "silence_logs": 50}
    with (
        dask.config.set(SETTINGS),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def cluster():
    """A scheduler with two workers."""
    with two_workers() as found:
        yield found


@pytest.fixture(scope="module")
def mortal_cluster():
    """Another one, for tests that kill its workers: not all of them come again."""
    with two_workers() as found:
        yield found


@pytest.fixture
def workers(cluster):
    """Opens the workers of the scheduler."""
    return partial(open_scheduler, cluster.scheduler_address)


@pytest.fixture
def mortal_workers(mortal_cluster):
    """Opens workers that may be killed."""
    return partial(open_scheduler, mortal_cluster.scheduler_address)
