"""The stacks that a training cuts patches from: one, its recordings, or the pairs of a source.

Several stacks are held at a time. Patches of a batch come from several of them, and every epoch
replaces some or all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.unet.instruments import Instruments
from fibcore import Context, Images, Labels

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters
    from fib_plugins.training.pairs import Pairs


@dataclass(frozen=True)
class Stack:
    """Images and labels, of which some slices are used.

    Attributes:
        images: the images.
        labels: the labels that they show.
        grey_scale: turns the images into z-scores.
        slices: the slices that are used.
    """

    images: Images
    labels: Labels
    grey_scale: GreyScale
    slices: range

    @classmethod
    def whole(
        cls, unet: UNetParameters, images: Images, labels: Labels, in_training: GreyScale
    ) -> Stack:
        """Return a stack all of whose slices are used, normalised as inference does it.

        Args:
            unet: the parameters.
            images: the images.
            labels: the labels that they show.
            in_training: grey scale of the training images, for normalization ``training``.
        """
        grey_scale = in_training
        if unet.normalization != "training":
            grey_scale = GreyScale.of(images, per_slice=unet.normalization == "slice")
        return cls(images, labels, grey_scale, range(images.shape[0]))


class Supply(ABC):
    """Where the stacks of a training come from; they are numbered from 0."""

    shape: tuple[int, int, int]
    """Shape of the stacks, of those slices that are used."""
    count: int
    """Number of stacks held at a time."""
    structures: int
    """Number of structures that these show: 1 if they are recordings of one structure."""

    @abstractmethod
    def of_epoch(self, epoch: int) -> range:
        """Return the numbers of the stacks that an epoch (from 1) uses."""

    @abstractmethod
    def stacks(self, numbers: Sequence[int]) -> Iterator[Stack]:
        """Yield the stacks of some numbers; all have one shape."""


class Given(Supply):
    """Stacks that are there, the same in every epoch."""

    def __init__(self, stacks: Sequence[Stack]) -> None:
        self._stacks = stacks
        self.count = self.structures = len(stacks)
        self.shape = (len(stacks[0].slices), *stacks[0].images.shape[1:])

    def of_epoch(self, epoch: int) -> range:
        """Return the numbers of all stacks."""
        return range(self.count)

    def stacks(self, numbers: Sequence[int]) -> Iterator[Stack]:
        """Yield the stacks of some numbers."""
        return (self._stacks[number] for number in numbers)


class Recordings(Supply):
    """Recordings of one stack, each by an instrument of its own.

    Args:
        unet: the parameters.
        stack: ideal images; its grey scale is that of the given instrument's recording.
        instruments: the instruments.
        purpose: name of the purpose of the recordings.
        context: surroundings of the training.
    """

    structures = 1

    def __init__(
        self,
        unet: UNetParameters,
        stack: Stack,
        instruments: Instruments,
        purpose: str,
        context: Context,
    ) -> None:
        self.unet, self.instruments, self.purpose = unet, instruments, purpose
        self.grey_scale, self.context = stack.grey_scale, context
        part = slice(stack.slices.start, stack.slices.stop)
        self.images = stack.images.with_data(stack.images.data[:, part])
        self.labels = stack.labels.with_data(stack.labels.data[part])
        self.shape, self.count = self.labels.shape, unet.instrument_variants

    def of_epoch(self, epoch: int) -> range:
        """Return the numbers of the recordings, of which every epoch replaces the oldest."""
        oldest = (epoch - 1) * self.unet.instrument_renewal
        return range(oldest, oldest + self.count)

    def stacks(self, numbers: Sequence[int]) -> Iterator[Stack]:
        """Yield recordings; they do not depend on the order in which they are made."""
        several = len(numbers) > 1
        for number in self.context.track(numbers, "stacks recorded") if several else numbers:
            images = self.instruments.record_variant(self.images, self.labels, self.purpose, number)
            yield Stack.whole(self.unet, images, self.labels, self.grey_scale)


class Endless(Supply):
    """Pairs of a source; no two epochs use the same one.

    Args:
        unet: the parameters.
        pairs: the pairs.
        grey_scale: grey scale of the training images, for normalization ``training``.
        shape: shape of the pairs, axes (z, y, x).
    """

    def __init__(
        self,
        unet: UNetParameters,
        pairs: Pairs,
        grey_scale: GreyScale,
        shape: tuple[int, int, int],
    ) -> None:
        self.unet, self.pairs, self.grey_scale, self.shape = unet, pairs, grey_scale, shape
        self.count = self.structures = pairs.source.pairs_per_epoch

    def of_epoch(self, epoch: int) -> range:
        """Return the numbers of the epoch's pairs."""
        return range((epoch - 1) * self.count, epoch * self.count)

    def stacks(self, numbers: Sequence[int]) -> Iterator[Stack]:
        """Yield the pairs of an epoch."""
        epoch = numbers[-1] // self.count + 1
        for images, labels in self.pairs.of_epoch(epoch, self.unet.epochs):
            yield Stack.whole(self.unet, images, labels, self.grey_scale)


class HeldStacks:
    """Z-scores and classes of several stacks on the device; large ones are files on the CPU.

    Attributes:
        volume: z-scores, float32 in axes (channel, stack, z, y, x).
        target: class of each voxel, uint8 in axes (structure, z, y, x), with one structure for each
            stack, or one for all.

    Args:
        supply: where the stacks come from.
        channels: number of channels.
        classes: class of each phase number (0 to 255).
        device: device of the volumes.
        empty: like `Context.empty`, makes the arrays on the CPU: from a name, a shape, a type.
    """

    def __init__(
        self,
        supply: Supply,
        channels: int,
        classes: np.ndarray,
        device: torch.device,
        empty: Callable[[str, tuple[int, ...], type], np.ndarray],
    ) -> None:
        self.supply, self.classes = supply, classes
        voxels, labels = (channels, supply.count, *supply.shape), (supply.structures, *supply.shape)
        if device.type == "cpu":
            self.volume = torch.from_numpy(empty("volume", voxels, np.float32))
            self.target = torch.from_numpy(empty("target", labels, np.uint8))
        else:
            self.volume = torch.empty(voxels, dtype=torch.float32, device=device)
            self.target = torch.empty(labels, dtype=torch.uint8, device=device)
        self._held: list[int | None] = [None] * supply.count

    def __len__(self) -> int:
        """Return the number of stacks."""
        return len(self._held)

    def hold(self, epoch: int) -> None:
        """Hold the stacks of an epoch; make those that are missing.

        The place of a stack is its number modulo their count.
        """
        numbers = self.supply.of_epoch(epoch)
        missing = [number for number in numbers if self._held[number % len(self)] != number]
        for number, stack in zip(missing, self.supply.stacks(missing), strict=True):
            place = number % len(self)
            self._fill(place, stack)
            self._held[place] = number

    def _fill(self, place: int, stack: Stack) -> None:
        structure = place % len(self.target)
        for own, z in enumerate(stack.slices):
            scores = stack.grey_scale.apply(stack.images, [z])[:, 0]
            self.volume[:, place, own] = torch.from_numpy(scores)
            self.target[structure, own] = torch.from_numpy(self.classes[stack.labels.data[z]])
