"""Sampling of stacks that are compared: slices, patches, frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import BaseModel, Field

from fib_plugins.image_comparison.patch_distance import directions
from fib_plugins.image_comparison.power_spectrum import Rings
from fibcore import Context, Images, VolumeSpec


class SamplingParameters(BaseModel):
    """The sampling of a stack."""

    max_slices: int = Field(
        default=64,
        ge=1,
        description="Largest number of slices of each stack that are measured: every n-th.",
    )
    patch_pixels: int = Field(default=8, ge=2, le=64, description="Edge of a patch in pixels.")
    patches: int = Field(default=4096, ge=16, description="Number of patches from each stack.")
    projections: int = Field(
        default=128, ge=1, description="Number of random directions for projections of patches."
    )


@dataclass(frozen=True, eq=False)
class Sampling:
    """The same frequencies, places and directions for several stacks: equal ones have distance 0.

    Attributes:
        max_slices: largest number of slices that are measured.
        rings: frequencies of the spectra.
        patch_pixels: edge of a patch.
        places: of the patches, as `random_patches` takes them.
        directions: unit vectors that patches are projected on, axes (direction, dimension).
    """

    max_slices: int
    rings: Rings
    patch_pixels: int
    places: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, params: SamplingParameters, specs: Sequence[VolumeSpec], context: Context) -> Self:
        """Return a sampling for stacks with the same number of channels.

        Args:
            params: parameters of the sampling.
            specs: of all stacks to be compared.
            context: gives the seed of places and directions.

        Raises:
            FibError: slices are too small for a spectrum, or share no frequencies.
        """
        rng = context.rng_for("patches")
        places = rng.random((params.patches, 3))
        vectors = directions(rng, params.projections, len(specs[0].kv) * params.patch_pixels**2)
        return cls(params.max_slices, common_rings(specs), params.patch_pixels, places, vectors)

    def part_of(self, images: Images) -> Images:
        """Return the slices of a stack that are measured."""
        return images.with_data(images.data[:, :: -(-images.shape[0] // self.max_slices)])


def common_rings(specs: Sequence[VolumeSpec]) -> Rings:
    """Return the frequencies that stacks have in common; raises as `Rings.common` does."""
    return Rings.common([spec.shape for spec in specs], [spec.voxel_size_nm for spec in specs])
