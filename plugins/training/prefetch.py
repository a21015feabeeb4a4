"""Host and GPU at work at the same time: batches made ahead, copies that do not block."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from fib_plugins.training.ordered_work import ordered

Item = TypeVar("Item")
Made = TypeVar("Made")

BATCHES = 4
"""Batches that are made ahead for a GPU: enough to cover one that is slow to read."""


def ahead(
    make: Callable[[Item], Made], items: Iterable[Item], depth: int
) -> Generator[Made, None, None]:
    """Yield make(item) in order, made up to `depth` items ahead by a thread of its own.

    An error is raised in place of its item. The thread ends with the generator: close it
    (`contextlib.closing`) where the loop over it may end early.

    Args:
        make: makes a result of an item, in another thread than the caller's unless depth is 0.
        items: the items.
        depth: how many results are made before they are requested; 0: each on request.
    """
    if depth == 0:
        yield from map(make, items)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        yield from ordered(pool, make, items, depth)


def depth_for(device: torch.device) -> int:
    """Return how many batches to make ahead for networks on a device.

    None on the CPU: the thread would only take time from the networks.
    """
    return BATCHES if device.type == "cuda" else 0


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the host on a device, in the same memory layout.

    A GPU copies it from pinned memory while the host continues.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor on the host; wait for this tensor only, not for later work."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    copy.copy_(tensor.contiguous(), non_blocking=True)
    done = torch.cuda.Event(blocking=True)
    done.record(torch.cuda.current_stream(tensor.device))
    done.synchronize()
    return copy
