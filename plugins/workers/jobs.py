"""How many steps of a run are executed at a time on this machine (``--jobs``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from fib_plugins.workers.processes import Processes
from fibcore.devices import resolve_device
from fibcore.pipeline.plan import PlannedStep
from fibcore.pipeline.workers import ThisProcess, Workers

CORES = 2
"""Cores for each process unless the user gives a number: those of a training with its default
`cpu_threads`. Two trainings that share two cores take longer than one after the other."""
MOST = 8
"""Most processes that are started unless the user gives a number: each takes half a gigabyte."""


def open_processes(number: str, steps: Sequence[PlannedStep], store: Path, device: str) -> Workers:
    """Return processes for the steps of a run; this one if no two steps are independent.

    Args:
        number: number of steps at a time. ``auto``: one for every two cores, at most `MOST`; with
            GPUs as many as there are GPUs, and each step uses one.
        steps: the steps that will be computed.
        store: folder of finished steps.
        device: device asked for.
    """
    if number == "1" or not any_independent(steps):
        return ThisProcess()
    gpus = _gpus(device)
    cores = os.cpu_count() or 1
    slots = len(gpus) or min(cores // CORES, MOST) if number == "auto" else int(number)
    if slots <= 1:
        return ThisProcess()
    return Processes(slots, [gpus[i % len(gpus)] for i in range(slots)] if gpus else ())


def any_independent(steps: Sequence[PlannedStep]) -> bool:
    """Return whether two steps could run at the same time, as neither needs the other."""
    needs: dict[str, set[str]] = {}
    for step in steps:
        sources = {ref.step.id for ref in step.sources}
        needs[step.id] = sources.union(*(needs.get(source, set()) for source in sources))
        if any(other not in needs[step.id] for other in list(needs)[:-1]):
            return True
    return False


def _gpus(device: str) -> list[str]:
    """Return the names of the GPUs that a run may use; none if it uses another device."""
    if resolve_device(device) != "cuda":
        return []
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]
