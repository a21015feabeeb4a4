"""Adam on any device; on a GPU its steps need nothing from the host.

There its state, including the learning rate, is on the GPU, and one kernel updates many tensors.
A step can therefore be recorded as a CUDA graph (see `cuda_graphs`).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


def adam(
    parameters: Iterable[nn.Parameter],
    rate: float,
    device: torch.device,
    betas: tuple[float, float] = (0.9, 0.999),
) -> torch.optim.Adam:
    """Return Adam (Kingma, Ba, ICLR 2015) for parameters that are, or will be, on a device.

    Args:
        parameters: the parameters to optimise.
        rate: learning rate.
        device: where the parameters are used.
        betas: decay of the running means of gradients and of their squares.
    """
    on_gpu = device.type == "cuda"
    optimizer = torch.optim.Adam(
        parameters, lr=rate, betas=betas, capturable=on_gpu, fused=on_gpu or None
    )
    on_device(optimizer, device)
    return optimizer


def on_device(optimizer: torch.optim.Adam, device: torch.device) -> None:
    """Set an optimiser up for a device after its state was loaded.

    A checkpoint holds the settings for the device that it was written on.
    """
    on_gpu = device.type == "cuda"
    for group in optimizer.param_groups:
        rate = float(group["lr"])
        group["lr"] = torch.tensor(rate, device=device) if on_gpu else rate
        group["capturable"], group["fused"] = on_gpu, on_gpu or None
    for state in optimizer.state.values():
        state["step"] = state["step"].to(device if on_gpu else "cpu")


def rate_of(optimizer: torch.optim.Optimizer) -> float:
    """Return the learning rate."""
    return float(optimizer.param_groups[0]["lr"])
