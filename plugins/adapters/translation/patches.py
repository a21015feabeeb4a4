"""Training patches, cut from stacks on disk or in memory without copying the stacks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from fib_plugins.adapters.translation.grey_range import GreyRange
from fibcore import Images

QUARTER_TURNS = 4


@dataclass(frozen=True)
class Patches:
    """Square patches of the first `depth` slices of a stack.

    Attributes:
        images: the stack.
        grey_range: the grey values that become -1 to 1.
        depth: slices from this one on are not used.
        patch: edge in pixels.
        stride: step of the grid, as a fraction of the patch.
    """

    images: Images
    grey_range: GreyRange
    depth: int
    patch: int
    stride: float

    def grid(self) -> np.ndarray:
        """Return the corners (z, y, x) of patches every `stride`, and flush with the ends."""
        step = max(1, round(self.stride * self.patch))
        rows, columns = (
            [*range(0, n - self.patch, step), n - self.patch] for n in self.images.shape[1:]
        )
        corners = np.meshgrid(np.arange(self.depth), rows, columns, indexing="ij")
        return np.stack(corners, axis=-1).reshape(-1, 3)

    def at_random(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Return the corners (z, y, x) of patches at random places."""
        height, width = self.images.shape[1:]
        ends = (self.depth - 1, height - self.patch, width - self.patch)
        return rng.integers(0, ends, (count, 3), endpoint=True)

    def cut(self, corners: np.ndarray) -> np.ndarray:
        """Return patches at corners as scaled float32 in axes (patch, channel, y, x)."""
        return np.stack(
            [
                self.grey_range.scaled(
                    self.images.data[:, z, y : y + self.patch, x : x + self.patch]
                )
                for z, y, x in corners
            ]
        )


def turned(patches: np.ndarray, rng: np.random.Generator, square_pixels: bool) -> np.ndarray:
    """Return patches (patch, channel, y, x), each mirrored and rotated at random."""
    changed = []
    for patch in patches:
        quarters = int(rng.integers(QUARTER_TURNS)) if square_pixels else 2 * int(rng.integers(2))
        mirrored = patch[..., ::-1] if rng.random() < 0.5 else patch
        changed.append(np.rot90(mirrored, quarters, axes=(1, 2)))
    return np.stack(changed)


def as_tensor(patches: np.ndarray) -> torch.Tensor:
    """Return patches on the host, in the memory layout that is fastest for the networks."""
    tensor = torch.from_numpy(np.ascontiguousarray(patches))
    return tensor.contiguous(memory_format=torch.channels_last)
