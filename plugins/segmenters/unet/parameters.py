"""The parameters of the U-Net segmenter, their checks, and derived values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from fib_plugins.training.schedule import Computing, Schedule

TRAINING_BYTES = 160
INFERENCE_BYTES = 100
"""Memory per voxel of a batch (window) and feature channel at full resolution; measured on the
CPU: 113 to 138 in training, 30 to 95 in inference."""

DEFAULTS_3D = {"batch_size": 4, "window": 128}
"""Defaults in 3-D, where a patch holds `patch_depth` times as many voxels, to limit memory."""


class UNetParameters(Schedule, Computing):
    """The inputs of the network, its training, and its application.

    Defaults are the training procedure of table 1 of the paper.
    """

    dimensions: Literal["2d", "2.5d", "3d"] = Field(
        default="2.5d",
        description="2d: each slice alone; 2.5d: with its neighbours as channels; 3d: blocks",
    )
    slices_above: int = Field(
        default=2,
        ge=0,
        le=64,
        description="2.5d: neighbours on the side milled before, where structures end",
    )
    slices_below: int = Field(
        default=3,
        ge=0,
        le=64,
        description="2.5d: neighbours on the side milled after, which shines through",
    )
    normalization: Literal["training", "stack", "slice"] = Field(
        default="stack",
        description="grey values become z-scores by mean and standard deviation of the training "
        "images (if the grey scale is known to be the same), of each stack (if contrast and "
        "brightness differ), or of each slice (follows drift, too); see grey_shares",
    )
    grey_shares: Literal["training", "own"] | None = Field(
        default=None,
        description="training: z-scores by mean and standard deviation as if each phase had its "
        "share of training, for which a first pass segments some slices; own: by those of the "
        "images as they are, which shifts the grey values of a stack with another solid fraction. "
        "Default: training for z-scores of slices, where labels of the first pass are good enough, "
        "else own. Models of versions without this parameter know no shares and take own",
    )
    base_channels: int = Field(
        default=16,
        ge=2,
        le=256,
        description="feature channels at full resolution; they double with each level",
    )
    depth: int = Field(
        default=3,
        ge=2,
        le=6,
        description="number of halvings of the resolution (DynUNet: at least 2)",
    )
    norm: Literal["batch", "instance"] = Field(
        default="batch", description="normalization layers of the network"
    )
    patch: int = Field(default=64, ge=8, description="edge of training patches in y and x, pixels")
    patch_depth: int = Field(default=32, ge=4, description="3d: slices of patches and windows")
    stride: float = Field(
        default=0.5, gt=0, le=1, description="step of the patch grid, as a fraction of the patch"
    )
    sampling: Literal["grid", "random"] = Field(
        default="grid",
        description="patches on the sliding grid in random order, or at random places",
    )
    patches_per_epoch: int | None = Field(
        default=None,
        ge=1,
        description="patches in one epoch; default: as many as the grid has, with a source those "
        "of all its pairs",
    )
    batch_size: int = Field(
        default=64, ge=1, description="patches per training step; default in 3d: 4, for memory"
    )
    loss: Literal["dice", "dice_ce"] = Field(
        default="dice", description="Dice loss, or its sum with cross entropy"
    )
    learning_rate: float = Field(
        default=1e-4,
        gt=0,
        le=1,
        description="of the Adam optimiser at the start; short trainings need 1e-3 to 3e-3",
    )
    validation_fraction: float = Field(
        default=0.2,
        gt=0,
        le=0.5,
        description="share of the slices, at the end of z, that is kept out of training and "
        "determines the best epoch; with a source, number of validation pairs, as a share of the "
        "pairs of an epoch, at least one",
    )
    augment_flips: bool = Field(
        default=True, description="mirror patches in plane at random (never along z)"
    )
    augment_rotations: bool = Field(
        default=True, description="turn patches by quarter turns in plane at random"
    )
    augment_ends: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="2.5d: share of the patches in which the stack is cut short above or below",
    )
    augment_gain: float = Field(
        default=0.1, ge=0, lt=1, description="contrast of patches varies by up to this fraction"
    )
    augment_offset: float = Field(
        default=0.1,
        ge=0,
        description="brightness of patches varies by up to this many standard deviations",
    )
    augment_noise: float = Field(
        default=0.0, ge=0, description="noise added to patches, in standard deviations"
    )
    instrument_spread: float = Field(
        default=0.5,
        ge=0,
        le=10,
        description="with an instrument: spread of its variants; 0.5: strengths and lengths differ "
        "by a factor of up to 1.5",
    )
    instrument_variants: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="with an instrument: number of recordings of the stack, each by a variant of "
        "its own, from which patches are taken; each takes 4 bytes of memory per voxel and channel",
    )
    instrument_renewal: int = Field(
        default=1,
        ge=0,
        description="with an instrument: number of these recordings that each epoch replaces with "
        "new ones, in turn",
    )
    window: int = Field(
        default=512,
        ge=8,
        description="edge of inference windows in y and x, pixels, in 3d and with norm 'instance'; "
        "smaller slices are taken whole; default in 3d: 128, for memory. Otherwise inference takes "
        "tiles that give what one pass over the whole slice gives, and windows are not used",
    )
    overlap: float = Field(
        default=0.25,
        ge=0,
        le=0.75,
        description="overlap of inference windows, as a fraction of the window",
    )
    batch_norm: Literal["training", "stack"] = Field(
        default="training",
        description="statistics of batch normalization at inference: those of training, or of the "
        "stack to be segmented (not recommended: a stack with another solid fraction than in "
        "training is segmented much worse, others hardly better)",
    )
    precision: Literal["auto", "32", "bf16", "16"] = Field(
        default="auto",
        description="precision of floating-point numbers, below 32 bits in convolutions only; "
        "auto: 32; on cuda bf16, or 16 where that is not supported. Inference with norm 'batch' on "
        "a CPU takes half the time with bf16: all layers but the last compute in it, which "
        "changed one label in ten thousand on simulated images. It needs a CPU that multiplies "
        "bfloat16",
    )
    save_probability: bool = Field(
        default=False, description="keep the probability of each phase, too"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_defaults(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("dimensions") == "3d":
            return {**DEFAULTS_3D, **values}
        return values

    @model_validator(mode="after")
    def _sizes_can_be_halved(self) -> Self:
        sizes = {"patch": self.patch, "window": self.window}
        if not self.flat:
            sizes["patch_depth"] = self.patch_depth
        factor = self.halvings
        for name, size in sizes.items():
            if size % factor:
                near = sorted({max(1, size // factor) * factor, -(-size // factor) * factor})
                raise ValueError(
                    f"{name} {size} cannot be halved {self.depth} times (depth): use "
                    f"{' or '.join(str(n) for n in near)}, or a smaller depth"
                )
        if self.is_single_pixel(self.patch, self.patch):
            raise ValueError(
                f"patch {self.patch} halved {self.depth} times (depth) is a single pixel, which "
                f"normalization layers cannot learn from: use at least {2 * factor}, or a smaller "
                f"depth"
            )
        if self.norm == "instance" and self.is_single_pixel(self.window, self.window):
            raise ValueError(
                f"window {self.window} halved {self.depth} times (depth) is a single pixel, which "
                f"norm 'instance' cannot be applied to: use at least {2 * factor}"
            )
        return self

    @model_validator(mode="after")
    def _statistics_can_be_renewed(self) -> Self:
        if self.batch_norm == "stack" and self.norm != "batch":
            raise ValueError(
                "batch_norm 'stack' adapts the statistics of batch normalization, but this network "
                "has norm 'instance', which takes its statistics from its input in any case: leave "
                "batch_norm out"
            )
        return self

    @property
    def balances(self) -> bool:
        """Whether the grey scale is that of phases in their shares of training."""
        usual = "training" if self.normalization == "slice" else "own"
        return self.normalization != "training" and (self.grey_shares or usual) == "training"

    @property
    def flat(self) -> bool:
        """Whether convolutions run in (y, x) alone (2d and 2.5d)."""
        return self.dimensions != "3d"

    @property
    def exact(self) -> bool:
        """Whether inference takes exact tiles: no layer depends on statistics of its input."""
        return self.flat and self.norm == "batch"

    @property
    def halvings(self) -> int:
        """Edges of patches and windows are multiples of this number, since they are halved."""
        return int(2**self.depth)

    def is_single_pixel(self, height: int, width: int) -> bool:
        """Return whether images with these edges are a single pixel at the lowest resolution.

        In 3d a single voxel: blocks are as deep as `patch_depth`.
        """
        edges = (height, width) if self.flat else (self.patch_depth, height, width)
        return max(edges) <= self.halvings

    @property
    def reach_above(self) -> int:
        """Number of slices above its own that a complete patch needs."""
        return self.slices_above if self.dimensions == "2.5d" else 0

    @property
    def slice_offsets(self) -> range:
        """Slices that make one input, counted from the patch's z."""
        if self.dimensions == "2.5d":
            return range(-self.slices_above, self.slices_below + 1)
        return range(1) if self.flat else range(self.patch_depth)

    @property
    def voxels_per_patch(self) -> int:
        """Number of voxels (pixels in 2d and 2.5d) of a training patch."""
        return int(self.patch**2 * (1 if self.flat else self.patch_depth))

    @property
    def voxels_per_batch(self) -> int:
        """Number of voxels (pixels in 2d and 2.5d) that go through the network at a time."""
        return self.batch_size * self.voxels_per_patch

    def validation_slices(self, depth: int) -> int:
        """Return how many of `depth` slices are kept for validation, at the end of z."""
        least = self.reach_above + 1 if self.flat else self.patch_depth
        return max(least, round(self.validation_fraction * depth))

    def validation_pairs(self, per_epoch: int) -> int:
        """Return how many pairs of a source, which makes so many an epoch, validate."""
        return max(1, round(self.validation_fraction * per_epoch))

    def network_params(self, channels: int, classes: int) -> dict[str, Any]:
        """Return the arguments of `build_network`, except the seed."""
        return {
            "flat": self.flat,
            "channels": channels * (len(self.slice_offsets) if self.flat else 1),
            "classes": classes,
            "base_channels": self.base_channels,
            "depth": self.depth,
            "norm": self.norm,
        }
