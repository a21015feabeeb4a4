"""Opens Dask clusters: processes of this machine, or the workers of a scheduler."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from fib_plugins.workers.dask_workers import DaskWorkers
from fibcore.devices import resolve_device
from fibcore.errors import UsageError
from fibcore.pipeline.plan import PlannedStep
from fibcore.pipeline.workers import Workers

CONNECT_S = 10.0
"""Time in which a scheduler must answer."""

SETTINGS = {
    "distributed.worker.daemon": False,  # steps may start processes
    "distributed.worker.memory.target": False,  # what fills memory are files, not results
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
}
"""Settings of Dask for workers that fib starts; steps forecast their memory."""

NANNY = {
    "distributed.nanny.pre-spawn-environ": {
        "MALLOC_TRIM_THRESHOLD_": None,  # a trained network would wait for pages half of the time
        "OMP_NUM_THREADS": None,
        "MKL_NUM_THREADS": None,
        "OPENBLAS_NUM_THREADS": None,
    }
}
"""Variables that Dask sets for its workers and fib does not want."""


def distributed_of(what: str) -> Any:
    """Import Dask's package `distributed`.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError(
            f"--cluster {what} needs the package distributed: pip install 'fibtomo[cluster]'"
        ) from None
    return distributed


def open_local(number: str, steps: Sequence[PlannedStep], store: Path, device: str) -> Workers:
    """Return a Dask cluster of processes of this machine, one on each GPU if there are several.

    Args:
        number: number of processes.
        steps: the steps that will be computed.
        store: folder of finished steps.
        device: device asked for.

    Raises:
        UsageError: the number is not one, or Dask is not installed.
    """
    if not number.isdecimal() or int(number) < 1:
        raise UsageError(
            f"--cluster local:{number}: give a number of processes of at least 1, e.g. local:4"
        )
    distributed = distributed_of(f"local:{number}")
    import dask

    ordinary: Any = distributed.LocalCluster

    class OnGpus(ordinary):
        """A cluster whose workers see one GPU each, in turn."""

        def new_worker_spec(self) -> dict[str, Any]:
            ((name, spec),) = super().new_worker_spec().items()
            env = {"CUDA_VISIBLE_DEVICES": str(int(name) % gpus)}
            return {name: {**spec, "options": {**spec["options"], "env": env}}}

    gpus = _gpus(device)
    with ExitStack() as opened:
        opened.enter_context(dask.config.set(SETTINGS | NANNY))
        folder = opened.enter_context(tempfile.TemporaryDirectory(prefix="fib-"))
        cluster = (OnGpus if gpus > 1 else ordinary)(
            n_workers=int(number), threads_per_worker=1, processes=True, dashboard_address=None,
            memory_limit=None, local_directory=folder,
            scheduler_kwargs={"dashboard_address": ":0"},  # any port; that of others may be taken
            silence_logs=logging.CRITICAL,  # workers that end complain of each other
        )  # fmt: skip
        opened.callback(cluster.close)
        client = opened.enter_context(distributed.Client(cluster, set_as_default=False))
        workers = DaskWorkers(client, steps, store, opened.pop_all().close)
    return workers


def open_scheduler(address: str, steps: Sequence[PlannedStep], store: Path, device: str) -> Workers:
    """Return the workers of a Dask scheduler that is running.

    Args:
        address: its address, e.g. ``tcp://host:8786``.
        steps: the steps that will be computed.
        store: folder of finished steps.
        device: device asked for; each worker has its own.

    Raises:
        UsageError: it does not answer, or its workers cannot do the work.
    """
    distributed = distributed_of(address)
    with ExitStack() as opened:
        try:
            client = distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(
                f"--cluster {address}: no Dask scheduler answers there ({_short(error)}); start "
                f"one with `dask scheduler`, and give the address that it prints"
            ) from None
        opened.enter_context(client)
        workers = DaskWorkers(client, steps, store, opened.pop_all().close)
    return workers


def _short(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _gpus(device: str) -> int:
    """Return the number of GPUs that the run may use."""
    if resolve_device(device) != "cuda":
        return 0
    import torch

    return torch.cuda.device_count()
