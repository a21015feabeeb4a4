"""Training of a surrogate, round by round, on counts of few electrons.

The mean of the counts is what has the smallest squared error, so that no image without noise is
ever needed. New structures are predicted before they are learned from: the errors decide which
kinds the next round adds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from fib_plugins.simulators.surrogate.network import SurrogateNetwork
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fib_plugins.simulators.surrogate.signals import activated, are_secondary, loss_of
from fib_plugins.training.optimizers import adam, on_device, rate_of
from fib_plugins.training.ordered_work import in_order
from fib_plugins.training.runtime import fabric_on
from fibcore import FibError

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

    def part(self, own: slice) -> Batch:
        """Return some of its slices."""
        planes = [level[own] for level in self.planes]
        return Batch(planes, self.yields[own], self.depths_nm[own], self.repeats)


class Trainer:
    """A network in training.

    Attributes:
        network: the network.
        optimizer: its optimiser.
        secondary: for each channel, whether it counts secondary electrons.

    Args:
        params: the parameters.
        network: the network; it is moved to the device.
        channels: numbers of the network's outputs that are the channels of images.
        depth_scale_nm: typical depth of each of them; empty if depths are not learned.
        context: surroundings of the step.
    """

    def __init__(
        self,
        params: SurrogateParameters,
        network: SurrogateNetwork,
        channels: Sequence[int],
        depth_scale_nm: Sequence[float] | np.ndarray,
        context: Context,
    ) -> None:
        self.params, self.network, self._channels = params, network, list(channels)
        self.secondary = are_secondary(params.channels)
        self._symmetries = symmetries_of(params)
        self._fabric = fabric_on(context.device, "auto")
        self.device = self._fabric.device
        self.optimizer = adam(network.parameters(), params.learning_rate, self.device, BETAS)
        self._module = self._fabric.setup_module(network)
        self._parameters = list(network.parameters())
        # Parts of a batch in threads of their own are faster than torch's own threads, which wait
        # for each other in each operation. Their number is a parameter, so that sums are the same.
        self._parts = params.cpu_threads if self.device.type == "cpu" else 1
        self._scale = torch.tensor(
            np.asarray(depth_scale_nm), dtype=torch.float32, device=self.device
        )

    def resumed(self) -> None:
        """Set the optimiser up again after its state was loaded."""
        on_device(self.optimizer, self.device)

    def train(
        self,
        batches: Iterable[Batch],
        rng: np.random.Generator,
        start: int,
        steps: int,
        done: Callable[[int], None],
        share: float = 1.0,
    ) -> float:
        """Do a training step with each batch; return the mean loss.

        Args:
            batches: the batches.
            rng: random generator.
            start: number of the first step, from 0.
            steps: number of steps in all, over which the learning rate falls.
            done: called after each step with the number of steps done.
            share: of the learning rate.

        Raises:
            FibError: the training diverges.
        """
        losses = []
        for step, batch in enumerate(batches, start=start):
            losses.append(self.step(batch, rng, step, steps, share))
            done(step + 1)
        loss = float(torch.stack(losses).double().mean())
        if not math.isfinite(loss):
            raise FibError(
                f"training diverged before step {start + len(losses)} (the loss is {loss}); lower "
                f"learning_rate (now {self.params.learning_rate:g})"
            )
        return loss

    def step(
        self, batch: Batch, rng: np.random.Generator, step: int, steps: int, share: float = 1.0
    ) -> torch.Tensor:
        """Do one of so many training steps; return the loss, on the device.

        Args:
            batch: the batch; it is mirrored or transposed at random.
            rng: random generator.
            step: number of the step, from 0.
            steps: number of steps in all, over which the learning rate falls.
            share: of the learning rate.
        """
        self._set_rate(share * self.params.learning_rate, step, steps)
        symmetry = int(rng.choice(self._symmetries))
        self._module.train()
        size = len(batch.yields)
        parts = -(-size // self._parts)

        def gradients(start: int) -> list[torch.Tensor]:
            """Return loss and gradients of a part of the batch, as its share of the whole."""
            part = turned(batch.part(slice(start, start + parts)), symmetry, self.device)
            result = self._module(part.planes, repeats=part.repeats).float()
            loss = self._loss(result, part) * (len(part.yields) / size)
            return [loss.detach(), *torch.autograd.grad(loss, self._parameters)]

        found = list(in_order(gradients, range(0, size, parts), self._parts, 1))
        loss, *totals = (torch.stack(each).sum(dim=0) for each in zip(*found, strict=True))
        for parameter, total in zip(self._parameters, totals, strict=True):
            parameter.grad = total
        nn.utils.clip_grad_norm_(self._parameters, LONGEST_GRADIENT)
        self.optimizer.step()
        return loss

    def _loss(self, result: torch.Tensor, batch: Batch) -> torch.Tensor:
        yields = activated(result[:, self._channels], self.secondary)
        loss = loss_of(yields, batch.yields, self.secondary)
        if len(self._scale):
            depths = result[:, result.shape[1] // 2 :][:, self._channels]
            deviation = functional.softplus(depths) - batch.depths_nm / self._scale[:, None, None]
            loss = loss + DEPTH_WEIGHT * (batch.yields * deviation**2).mean()
        return loss

    def _set_rate(self, highest: float, step: int, steps: int) -> None:
        rate = highest * min(1.0, (step + 1) / WARM_UP)
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
        yields = activated(result[:, self._channels], self.secondary)
        found: np.ndarray = yields.cpu().numpy()
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
    """Return the in-plane symmetries of images, 0 to 7, without those that a tilt breaks.

    The bits are: x mirrored, y mirrored, axes exchanged.
    """
    square = params.voxel_size_nm[1] == params.voxel_size_nm[2]
    if params.tilt_deg:  # towards y
        return [0, 1]
    return list(range(8 if square else 4))
