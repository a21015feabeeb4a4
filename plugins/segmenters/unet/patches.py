"""Patches of stacks for training: their places and their variation.

The stacks are on the device as one array; the patches of a batch are cut out all at once by index,
which also rotates and mirrors them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fib_plugins.training.prefetch import to_device
from fib_plugins.unlabelled import UNLABELLED

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters

TURNS = 4


@dataclass(frozen=True)
class Variation:
    """How each patch of an epoch is varied; arrays with one row per patch.

    Attributes:
        stack: number of the stack that the patch is taken from.
        symmetry: 0 to 7: quarter turns in plane (0 to 3), plus 4 if mirrored before.
        above: slices above the patch's own that are shown to the network (2.5-D); those further up
            are replaced with the last one shown, as at the end of the stack.
        below: the same below.
        gain: factor on the z-scores, axes (patch, channel).
        offset: added to the z-scores, axes (patch, channel).
        noise: standard deviation of added noise, in units of z-scores.
        noise_seed: seed of the noise.
    """

    stack: np.ndarray
    symmetry: np.ndarray
    above: np.ndarray
    below: np.ndarray
    gain: np.ndarray
    offset: np.ndarray
    noise: float = 0.0
    noise_seed: int = 0

    @classmethod
    def none(cls, unet: UNetParameters, count: int, channels: int) -> Variation:
        """Return the variation that changes nothing, of patches from the first stack."""
        return cls(
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
            np.full(count, unet.slices_above),
            np.full(count, unet.slices_below),
            np.ones((count, channels), np.float32),
            np.zeros((count, channels), np.float32),
        )

    @classmethod
    def draw(
        cls,
        unet: UNetParameters,
        rng: np.random.Generator,
        count: int,
        channels: int,
        stacks: int = 1,
    ) -> Variation:
        """Draw a variation for each patch, as set by the parameters `augment_...`.

        Nothing is mirrored along z: structure shines through from below, never from above, and a
        network that sees both cannot learn the direction.
        """
        turns = (
            range(TURNS)
            if unet.augment_rotations
            else range(0, TURNS if unet.augment_flips else 1, 2)
        )
        mirrored = (0, 1) if unet.augment_flips else (0,)
        symmetries = [TURNS * mirror + turn for mirror in mirrored for turn in turns]
        cut = rng.random((2, count)) < unet.augment_ends / 2
        above = np.where(
            cut[0], rng.integers(0, unet.slices_above, count, endpoint=True), unet.slices_above
        )
        below = np.where(
            cut[1], rng.integers(0, unet.slices_below, count, endpoint=True), unet.slices_below
        )
        swing = rng.uniform(-1.0, 1.0, (2, count, channels))
        symmetry, noise_seed = rng.choice(symmetries, count), int(rng.integers(2**63))
        return cls(
            rng.integers(0, stacks, count),
            symmetry,
            above,
            below,
            (1.0 + unet.augment_gain * swing[0]).astype(np.float32),
            (unet.augment_offset * swing[1]).astype(np.float32),
            unet.augment_noise,
            noise_seed,
        )


def starts(length: int, patch: int, step: int) -> list[int]:
    """Return the starts of patches along an axis: every `step`, and flush with the end."""
    return [*range(0, length - patch, step), length - patch]


class Patches:
    """Patches of stacks of one shape.

    Args:
        unet: the parameters.
        volume: z-scores, float32, axes (channel, stack, z, y, x).
        target: class of each voxel, uint8, axes (structure, z, y, x); one structure for each stack,
            or one that all stacks show.
        skip: slices at the beginning that serve as neighbours only.
    """

    def __init__(
        self,
        unet: UNetParameters,
        volume: torch.Tensor,
        target: torch.Tensor,
        skip: int = 0,
    ) -> None:
        self.unet, self.volume, self.target = unet, volume, target
        self.skip, self.depth = skip, target.shape[1]
        device = volume.device
        self.offsets = torch.tensor(list(unet.slice_offsets), device=device)
        self._shape = (len(volume), len(self.offsets), unet.patch, unet.patch)
        grid = np.indices((unet.patch, unet.patch))
        turned = [
            np.rot90(np.flip(grid, axis=2) if mirrored else grid, turns, axes=(1, 2))
            for mirrored in (0, 1)
            for turns in range(TURNS)
        ]
        self.rows, self.columns = torch.tensor(np.stack(turned, axis=1), device=device)

    def grid(self, stride: float) -> np.ndarray:
        """Return the corners (z, y, x) of patches that cover all slices.

        Args:
            stride: step from patch to patch, as a fraction of the patch.
        """
        unet = self.unet
        step = max(1, round(stride * unet.patch))
        low = self.skip
        if unet.flat:
            z = list(range(low, self.depth))
        else:
            step_z = max(1, round(stride * unet.patch_depth))
            z = [low + start for start in starts(self.depth - low, unet.patch_depth, step_z)]
        y, x = (starts(length, unet.patch, step) for length in self.target.shape[2:])
        return np.stack(np.meshgrid(z, y, x, indexing="ij"), axis=-1).reshape(-1, 3)

    def labelled(self, corners: np.ndarray) -> np.ndarray:
        """Return those of some corners (z, y, x) whose patches have a label in the first stack."""
        known = self.target[0] != UNLABELLED
        edge = self.unet.patch
        depth = 1 if self.unet.flat else self.unet.patch_depth
        inside = [
            bool(known[z : z + depth, y : y + edge, x : x + edge].any())
            for z, y, x in corners.tolist()
        ]
        return corners[np.array(inside, bool)]

    def at_random(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return the corners (z, y, x) of `count` patches at random places."""
        unet = self.unet
        ends = [self.depth - (1 if unet.flat else unet.patch_depth)]
        ends += [length - unet.patch for length in self.target.shape[2:]]
        return rng.integers((self.skip, 0, 0), ends, (count, 3), endpoint=True)

    def batches(
        self, corners: np.ndarray, variation: Variation, share: slice = slice(None)
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (inputs, targets) for `batch_size` patches at a time, or of a share of each batch.

        Inputs have axes (patch, channel, [z,] y, x), where 2.5-D has channels (voltage, slice);
        targets (patch, 1, [z,] y, x). Beyond the stack's ends the end slice is repeated, as in
        inference. A patch does not depend on the share.
        """
        device = self.volume.device
        noise = torch.Generator(device).manual_seed(variation.noise_seed)
        rows = [
            to_device(torch.as_tensor(array), device)
            for array in (
                corners,
                variation.stack,
                variation.symmetry,
                variation.above,
                variation.below,
                variation.gain,
                variation.offset,
            )
        ]
        for start in range(0, len(corners), self.unet.batch_size):
            batch = [row[start : start + self.unet.batch_size] for row in rows]
            added = None
            if variation.noise > 0:
                shape = (len(batch[0]), *self._shape)
                added = variation.noise * torch.randn(shape, generator=noise, device=device)
                added = added[share]
            yield self._cut(*(row[share] for row in batch), noise=added)

    def _cut(
        self,
        corners: torch.Tensor,
        stack: torch.Tensor,
        symmetry: torch.Tensor,
        above: torch.Tensor,
        below: torch.Tensor,
        gain: torch.Tensor,
        offset: torch.Tensor,
        *,
        noise: torch.Tensor | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        z, y, x = corners[:, :, None].unbind(1)
        rows = (y[:, :, None] + self.rows[symmetry])[:, None]
        columns = (x[:, :, None] + self.columns[symmetry])[:, None]
        offsets = self.offsets[None]
        if self.unet.flat:
            offsets = offsets.clamp(-above[:, None], below[:, None])
        slices = (z + offsets).clamp(0, self.depth - 1)[:, :, None, None]
        places = stack[:, None, None, None]
        structures = places % len(self.target)
        inputs = self.volume[:, places, slices, rows, columns].movedim(0, 1)
        inputs = inputs * gain[:, :, None, None, None] + offset[:, :, None, None, None]
        if noise is not None:
            inputs = inputs + noise
        if not self.unet.flat:
            own = self.target[structures, slices, rows, columns][:, None]
            return inputs.contiguous(), own.long()
        own = self.target[structures, z[:, :, None, None], rows, columns]
        inputs = inputs.flatten(1, 2).contiguous(memory_format=torch.channels_last)
        return inputs, own.long()
