"""The parameters of the random forest segmenter, and their checks."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, Field, model_validator


class RandomForestParameters(BaseModel):
    """The features of a voxel, and how the forest is trained and applied."""

    dimensions: Literal["2d", "3d"] = Field(
        default="2d", description="2d: filters work in each slice; 3d: in the volume"
    )
    slices_above: int = Field(
        default=0,
        ge=0,
        le=64,
        description="2d: neighbours on the side milled before whose smoothed grey values are "
        "features, too",
    )
    slices_below: int = Field(
        default=0,
        ge=0,
        le=64,
        description="2d: neighbours on the side milled after whose smoothed grey values are "
        "features, too",
    )
    normalization: Literal["training", "stack", "slice"] = Field(
        default="stack",
        description="grey values become z-scores by mean and standard deviation of the training "
        "images, of each stack, or of each slice; see segmenter/unet for when to use which",
    )
    sigma_min: float = Field(
        default=0.5, ge=0.3, le=64, description="finest scale: deviation of the Gaussian, pixels"
    )
    sigma_max: float = Field(
        default=8.0,
        ge=0.3,
        le=64,
        description="coarsest scale, pixels; between the two each is about twice the one before",
    )
    trees: int = Field(default=100, ge=1, le=10_000, description="number of trees")
    max_depth: int | None = Field(
        default=None, ge=1, description="largest depth of a tree; default: no limit"
    )
    min_samples_leaf: int = Field(
        default=1, ge=1, description="fewest training voxels in each leaf of a tree"
    )
    sample_voxels: int = Field(
        default=100_000, ge=100, description="number of voxels that the forest is trained on"
    )
    sampling: Literal["random", "balanced"] = Field(
        default="random",
        description="draw voxels from the whole stack, or the same number from each phase, so that "
        "a rare one is not missed (but is found somewhat too often)",
    )
    save_probability: bool = Field(
        default=False, description="keep the probability of each phase, too"
    )

    @model_validator(mode="after")
    def _scales_are_in_order(self) -> Self:
        if self.sigma_max < self.sigma_min:
            raise ValueError(
                f"sigma_max {self.sigma_max:g} is below sigma_min {self.sigma_min:g}: give the "
                f"finest scale as sigma_min and the coarsest as sigma_max"
            )
        return self

    @model_validator(mode="after")
    def _neighbours_belong_to_2d(self) -> Self:
        if self.dimensions == "3d" and (self.slices_above or self.slices_below):
            raise ValueError(
                "slices_above and slices_below belong to dimensions '2d'; in '3d' the filters see "
                "the neighbouring slices anyway: leave them out"
            )
        return self

    @property
    def sigmas_px(self) -> tuple[float, ...]:
        """Scales of the features, in pixels: as scikit-image spaces them."""
        low, high = np.log2(self.sigma_min), np.log2(self.sigma_max)
        return tuple(np.logspace(low, high, int(high - low + 1), base=2).tolist())
