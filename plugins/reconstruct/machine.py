"""How fast this machine is, by a short trial, and how much memory and disk it has left."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

REFERENCE_S = 0.013
"""Time of one `_Trial` on a core of the machine on which `budget.COSTS` were measured."""
PATIENCE_S = 1.0
"""The trial is repeated for about so long, and the fastest one counts."""


@dataclass(frozen=True)
class Machine:
    """What work is planned for.

    Attributes:
        cores: cores that this process may use.
        slowness: time of a core for some work over that of the reference.
        network_slowness: the same of networks on the chosen device, for all its cores together.
        device: ``cpu``, ``cuda``, ...
        memory_bytes: that is free.
        disk_bytes: that is free in the folder of the results.
    """

    cores: int
    slowness: float
    network_slowness: float
    device: str
    memory_bytes: int
    disk_bytes: int

    def __str__(self) -> str:
        speed = f"{1 / self.slowness:.2g} times the speed of the reference"
        device = "" if self.device == "cpu" else f", networks on {self.device}"
        return f"{self.cores} core{'s' if self.cores > 1 else ''}, each {speed}{device}"


def machine_for(folder: Path, device: str) -> Machine:
    """Measure this machine.

    Args:
        folder: where results will be; need not exist.
        device: ``auto`` or a device of torch.
    """
    import psutil

    from fibcore.devices import resolve_device

    chosen = resolve_device(device)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = max(1, cores or 1)
    slowness = _trial_s("cpu") / REFERENCE_S
    network = slowness / cores if chosen == "cpu" else _trial_s(chosen) / REFERENCE_S
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    return Machine(cores, slowness, network, chosen, psutil.virtual_memory().available, free)


def _trial_s(device: str) -> float:
    """Return the least time of a training step of two convolutions, on one CPU thread or a GPU.

    That of a CPU does not count the time in which other programs had it.
    """
    import torch

    clock = time.process_time if device == "cpu" else time.perf_counter
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        layers = torch.nn.Sequential(
            torch.nn.Conv2d(8, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Conv2d(16, 16, 3, padding=1),
        ).to(device)
        images = torch.ones((4, 8, 96, 96), device=device)
        best, end = float("inf"), time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            begin = clock()
            layers(images).square().mean().backward()
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            best = min(best, clock() - begin)
        return best
    finally:
        torch.set_num_threads(threads)
