"""Host and GPU at work at the same time: batches made ahead, copies that hold nobody up."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from fib_plugins.training.ordered_work import ordered

Item = TypeVar("Item")
Made = TypeVar("Made")

BATCHES = 4
"""Batches that are made ahead for a GPU: enough to make up for one that takes long to read."""


def ahead(
    make: Callable[[Item], Made], items: Iterable[Item], depth: int
) -> Generator[Made, None, None]:
    """Yield make(item) in order, made up to `depth` items ahead by a thread of its own.

    An error is raised where its item would have come. The thread ends with the generator: close it
    (`contextlib.closing`) where the loop over it may be left early.

    Args:
        make: what makes an item; it runs in another thread than the caller, but for depth 0.
        items: what it is made of.
        depth: how many are made before they are asked for; 0: each when it is asked for.
    """
    if depth == 0:
        yield from map(make, items)
        return
    with ThreadPoolExecutor(1, thread_name_prefix="ahead") as pool:
        yield from ordered(pool, make, items, depth)


def depth_for(device: torch.device) -> int:
    """Return how many batches to make ahead for networks on a device.

    On the CPU none: the thread would only take time from the networks.
    """
    return BATCHES if device.type == "cuda" else 0


def to_device(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Return a tensor of the host on a device, in the memory layout that it has.

    A GPU copies it, by way of pinned memory, while the host goes on.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor on the host, waiting for it alone and not for what comes after it."""
    if tensor.device.type != "cuda":
        return tensor.cpu()
    copy = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    copy.copy_(tensor.contiguous(), non_blocking=True)
    done = torch.cuda.Event(blocking=True)
    done.record(torch.cuda.current_stream(tensor.device))
    done.synchronize()
    return copy
