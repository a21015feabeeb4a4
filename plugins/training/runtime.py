"""Where a network is computed, and what keeps its results the same from run to run.

Lightning Fabric places networks and optimisers on the device and handles mixed precision. Fabric is
used rather than Lightning's Trainer because the loop stays ours: a checkpoint holds all that is
needed to resume to the last bit, Ctrl-C ends training at once, and no unwanted folder, logger or
signal handler is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from fibcore import FibError

if TYPE_CHECKING:
    from lightning.fabric import Fabric


BFLOAT16 = ("avx512_bf16", "amx_bf16", "avx10_2", "bf16", "sve_bf16")
"""PyTorch's names of the instructions for products of bfloat16, on x86 and on Arm."""


def fabric_on(device: str, precision: str) -> Fabric:
    """Return a Fabric for one device (``cpu``, ``cuda``, ``cuda:1``, ``mps``).

    Args:
        device: as the context names it.
        precision: see `mixed_precision`.

    Raises:
        FibError: a precision that the device does not support.
    """
    from lightning.fabric import Fabric
    from lightning.fabric.plugins.environments import LightningEnvironment

    accelerator, _, number = device.partition(":")
    # Named, so that Fabric does not look for a cluster: there is one process.
    plugins = [LightningEnvironment(), *mixed_precision(accelerator, precision)]
    return Fabric(accelerator=accelerator, devices=[int(number)] if number else 1, plugins=plugins)


def mixed_precision(accelerator: str, precision: str) -> list[Any]:
    """Return the plugins that make Fabric compute convolutions at a precision.

    These are plugins rather than their names, which Fabric would print to the terminal.

    Args:
        accelerator: ``cpu``, ``cuda`` or ``mps``.
        precision: ``auto``, ``32``, ``bf16`` or ``16``; auto is 32 except on cuda.

    Raises:
        FibError: a precision that the device does not support.
    """
    from lightning.fabric.plugins import MixedPrecision

    if precision == "auto":
        precision = "32"
        if accelerator == "cuda":
            has_bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
            precision = "bf16" if has_bf16 else "16"
    if precision == "16" and accelerator == "cpu":
        raise FibError("precision '16' needs a GPU; on the CPU use '32' or 'bf16'")
    if precision == "32":
        return []
    return [MixedPrecision("bf16-mixed" if precision == "bf16" else "16-mixed", accelerator)]


def check_bfloat16() -> None:
    """Refuse inference in bfloat16 on a CPU that cannot multiply it.

    PyTorch would compute in other instructions, in a multiple of the time that 32 bits take, and
    round in other places: the same pipeline would give other bytes.

    Raises:
        FibError: such a CPU.
    """
    if not multiplies_bfloat16():
        raise FibError(
            "precision 'bf16' needs a CPU that multiplies bfloat16 (AVX-512 BF16, AMX or Arm "
            "BF16). This one would have to emulate it, which takes longer than precision '32' and "
            "gives other labels than CPUs that do not: use '32'"
        )


def multiplies_bfloat16() -> bool:
    """Return whether the CPU has instructions for products of bfloat16."""
    if hasattr(torch.cpu, "get_capabilities"):
        return any(torch.cpu.get_capabilities().get(name, False) for name in BFLOAT16)
    return bool(torch.cpu._is_avx512_bf16_supported())  # PyTorch 2.7


def items_at_once(device: torch.device, bytes_each: int, most: int) -> int:
    """Return how many tiles or windows to give a network at a time.

    On the CPU one: it keeps all cores busy, and memory stays small. On a GPU as many as fit in half
    of its free memory: small batches leave most of it idle.

    Args:
        device: where the network is.
        bytes_each: memory that one of them takes, including all that is computed from it.
        most: upper limit on a GPU; at least 1.
    """
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    # Memory that torch has reserved but does not use is free for its next allocations.
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(1, min(most, free // 2 // bytes_each))


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Let torch use this many CPU threads inside the block.

    Sums of floating-point numbers depend on how they are split: the gradients of convolutions
    differ in their last bits between one thread and two, and training amplifies that. A number set
    by the parameters, not by the machine, keeps the bytes the same.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
