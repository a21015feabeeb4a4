"""A network that makes probabilities on a device, in a precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from fib_plugins.segmenters.unet.network import folded, in_bfloat16
from fib_plugins.training.runtime import check_bfloat16, fabric_on

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters

Predictor = Callable[[torch.Tensor], torch.Tensor]


def predictor_of(
    unet: UNetParameters, network: nn.Module, device: str
) -> tuple[Predictor, torch.device, torch.dtype]:
    """Return what makes probabilities, axes (item, phase, ...), of inputs; its device and type."""
    fabric = fabric_on(device, unet.precision)
    network, dtype = network.eval(), torch.float32
    if unet.norm == "batch":
        network = folded(network)
    if fabric.device.type == "cpu" and unet.precision == "bf16":
        check_bfloat16()
        if unet.norm == "batch":
            # Nothing is left that needs 32 bits: weights are converted once, features never.
            fabric, dtype = fabric_on(device, "32"), torch.bfloat16
            network = in_bfloat16(network)
    module = fabric.setup_module(network)

    def predict(inputs: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, module(inputs.to(dtype)).float().softmax(dim=1))

    return predict, fabric.device, dtype
