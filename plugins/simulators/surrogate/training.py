"""Training of a surrogate, round by round, on counts of few electrons.

The mean of a binomial is what its likelihood learns (the cross entropy of yield and prediction), so
that no image without noise is ever needed. New structures are predicted before they are learned
from: the errors decide which kinds the next round adds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fib_plugins.simulators.surrogate.network import SurrogateNetwork
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fib_plugins.training.optimizers import adam, on_device, rate_of
from fib_plugins.training.runtime import fabric_on

if TYPE_CHECKING:
    from fibcore import Context

WARM_UP = 50
LONGEST_GRADIENT = 1.0
DEPTH_WEIGHT = 0.05
BETAS = (0.9, 0.99)


@dataclass(frozen=True)
class Batch:
    """Slices, or windows of slices, with their images.

    Attributes:
        planes: input of the network.
        yields: (slice, channel, y, x).
        depths_nm: likewise.
        repeats: whether slices repeat along y and x; otherwise planes have margins.
    """

    planes: list[torch.Tensor]
    yields: torch.Tensor
    depths_nm: torch.Tensor
    repeats: bool


class Learning:
    """A network in training.

    Attributes:
        network: the network.
        optimizer: its optimiser.

    Args:
        params: the parameters.
        network: the network; it is moved to the device.
        depth_scale_nm: typical depth of each channel; empty if depths are not learned.
        symmetries: numbers of the in-plane symmetries that images have, 0 to 7: bits for mirrored
            x, mirrored y, and exchanged axes.
        context: surroundings of the step.
    """

    def __init__(
        self,
        params: SurrogateParameters,
        network: SurrogateNetwork,
        depth_scale_nm: Sequence[float],
        symmetries: Sequence[int],
        context: Context,
    ) -> None:
        self.params, self.network, self._symmetries = params, network, list(symmetries)
        self._fabric = fabric_on(context.device, "auto")
        self.device = self._fabric.device
        self.optimizer = adam(network.parameters(), params.learning_rate, self.device, BETAS)
        self._module, self._wrapped = self._fabric.setup(network, self.optimizer)
        self._scale = torch.tensor(list(depth_scale_nm), device=self.device)

    def resumed(self) -> None:
        """Set the optimiser up again after its state was loaded."""
        on_device(self.optimizer, self.device)

    def learn(self, batch: Batch, rng: np.random.Generator, step: int, steps: int) -> torch.Tensor:
        """Do one of so many training steps; return the loss, on the device."""
        self._set_rate(step, steps)
        batch = turned(batch, int(rng.choice(self._symmetries)), self.device)
        self._module.train()
        self._wrapped.zero_grad()
        result = self._module(batch.planes, repeats=batch.repeats).float()
        loss = self._loss(result, batch)
        self._fabric.backward(loss)
        nn.utils.clip_grad_norm_(self.network.parameters(), LONGEST_GRADIENT)
        self._wrapped.step()
        return loss.detach()

    def _loss(self, result: torch.Tensor, batch: Batch) -> torch.Tensor:
        channels = batch.yields.shape[1]
        loss = functional.binary_cross_entropy_with_logits(result[:, :channels], batch.yields)
        if len(self._scale):
            scale = self._scale[:, None, None]
            deviation = functional.softplus(result[:, channels:]) - batch.depths_nm / scale
            loss = loss + DEPTH_WEIGHT * (batch.yields * deviation**2).mean()
        return loss

    def _set_rate(self, step: int, steps: int) -> None:
        rate = self.params.learning_rate * min(1.0, (step + 1) / WARM_UP)
        rate *= 0.5 + 0.5 * math.cos(math.pi * step / steps)
        for group in self.optimizer.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    @property
    def rate(self) -> float:
        """The current learning rate."""
        return rate_of(self.optimizer)

    @torch.no_grad()
    def predicted(self, batch: Batch) -> np.ndarray:
        """Return the yields of a batch, float32 in axes (slice, channel, y, x)."""
        self._module.eval()
        planes = [part.to(self.device) for part in batch.planes]
        result = self._module(planes, repeats=batch.repeats).float()
        found: np.ndarray = result[:, : batch.yields.shape[1]].sigmoid().cpu().numpy()
        return found


def turned(batch: Batch, symmetry: int, device: torch.device) -> Batch:
    """Return a batch mirrored or transposed in plane, on the device."""
    axes = [axis for axis, bit in ((-1, 1), (-2, 2)) if symmetry & bit]

    def turn(part: torch.Tensor) -> torch.Tensor:
        part = part.to(device)
        if axes:
            part = part.flip(axes)
        if symmetry & 4:
            part = part.transpose(-1, -2)
        return part.contiguous(memory_format=torch.channels_last)

    planes = [turn(part) for part in batch.planes]
    return Batch(planes, turn(batch.yields), turn(batch.depths_nm), batch.repeats)


def symmetries_of(params: SurrogateParameters) -> list[int]:
    """Return the in-plane symmetries of images: all eight, without those that a tilt breaks."""
    square = params.voxel_size_nm[1] == params.voxel_size_nm[2]
    if params.tilt_deg:  # towards y
        return [0, 1]
    return list(range(8 if square else 4))
