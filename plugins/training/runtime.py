"""Where a network is computed, and what keeps its results the same from run to run.

Lightning Fabric places networks and optimisers on the device and carries mixed precision. Fabric
rather than Lightning's Trainer: the loop stays ours, so that a checkpoint holds all there is to
resume from to the last bit, Ctrl-C ends training at once, and no folder, logger or signal handler
appears that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from fibcore import FibError

if TYPE_CHECKING:
    from lightning.fabric import Fabric


def fabric_on(device: str, precision: str) -> Fabric:
    """Return a Fabric for one device (``cpu``, ``cuda``, ``cuda:1``, ``mps``).

    Args:
        device: as the context names it.
        precision: ``auto``, ``32``, ``bf16`` or ``16``; auto is 32 except on cuda.

    Raises:
        FibError: a precision that the device does not have.
    """
    from lightning.fabric import Fabric
    from lightning.fabric.plugins import MixedPrecision
    from lightning.fabric.plugins.environments import LightningEnvironment

    accelerator, _, number = device.partition(":")
    if precision == "auto":
        on_cuda = "bf16" if accelerator == "cuda" and torch.cuda.is_bf16_supported() else "16"
        precision = on_cuda if accelerator == "cuda" else "32"
    if precision == "16" and accelerator == "cpu":
        raise FibError("precision '16' needs a GPU; on the CPU use '32' or 'bf16'")
    # Named, so that Fabric does not look for a cluster: one process is what a step is.
    plugins: list[Any] = [LightningEnvironment()]
    if precision != "32":
        # As a plugin rather than by name, which would announce itself on the terminal.
        plugins.append(
            MixedPrecision("bf16-mixed" if precision == "bf16" else "16-mixed", accelerator)
        )
    return Fabric(accelerator=accelerator, devices=[int(number)] if number else 1, plugins=plugins)


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Let torch use this many CPU threads inside the block.

    Sums of floating-point numbers depend on how they are split: the gradients of convolutions
    differ in their last bits between one thread and two, and training amplifies that. A number
    that belongs to the parameters, not to the machine, keeps the bytes the same.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
