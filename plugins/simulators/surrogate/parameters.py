"""The parameters of the surrogate: what it images, what it learns from, and how it is checked."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from fib_plugins.simulators.monte_carlo_parameters import ImagingParameters
from fibcore import FibError, VolumeSpec
from fibcore.channels import names_of
from fibcore.params import MaterialParam, Shape, VoxelSize

IMAGING = frozenset(
    {
        "energies_kev",
        "electrons_per_pixel",
        "lateral",
        "below",
        "slices",
        "region",
        "mean_depth",
        "window",
        "referee_share",
        "referee_electrons",
        "referee_bias",
        "referee_rms",
        "referee_secondary_bias",
        "referee_secondary_rms",
        "on_failure",
    }
)
"""Parameters that a trained surrogate can change."""


class SurrogateParameters(ImagingParameters):
    """Structure, teaching, network, and referee."""

    electrons_per_pixel: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        default=None,
        description="incident electrons per pixel, whose counting noise the images get; by "
        "default images are expected yields, without noise",
    )
    materials: Annotated[tuple[MaterialParam, ...], Field(min_length=1, max_length=16)] = Field(
        default=("epoxy", "Au"),  # type: ignore[arg-type]  # names that validation looks up
        description="materials of the structures that it learns from; phases may have any of them",
    )
    voxel_size_nm: VoxelSize = Field(
        default=(3.26, 3.26, 3.26),
        description="voxel size of these structures: one number, or [z, y, x]",
    )
    teaching_structures: int = Field(
        default=240, ge=8, le=100_000, description="number of structures that it learns from"
    )
    teaching_shape: Shape = Field(
        default=(80, 64, 64), description="number of voxels of each, [z, y, x]"
    )
    teaching_slices: int = Field(
        default=4,
        ge=1,
        description="number of slices of each that are imaged; more structures teach more than "
        "more slices",
    )
    teaching_electrons: int = Field(
        default=8, ge=2, le=10_000, description="electrons per pixel of these images"
    )
    rounds: int = Field(
        default=6,
        ge=1,
        le=1000,
        description="rounds of teaching: each adds new structures, more of the kinds on which the "
        "network is least accurate, and trains on all so far",
    )
    steps: int = Field(default=2200, ge=1, description="training steps of all rounds together")
    batch_size: int = Field(
        default=8, ge=1, le=1024, description="slices, or windows of slices, per training step"
    )
    learning_rate: float = Field(
        default=3e-3, gt=0, le=1, description="highest learning rate; it falls to 0 as a cosine"
    )
    features: int = Field(
        default=48,
        ge=4,
        le=256,
        description="channels of the network at its finest level; two thirds at the others",
    )
    planes: int = Field(
        default=12,
        ge=4,
        le=64,
        description="label planes below the face that each of its levels shows; voxels are twice "
        "as large from level to level",
    )
    cpu_threads: int = Field(
        default=2,
        ge=1,
        description="CPU threads in training, each with its part of every batch; the last bits of "
        "the network depend on it",
    )
    window: int = Field(
        default=128,
        ge=32,
        le=4096,
        description="edge of the windows that slices are imaged in on the CPU, pixels",
    )
    referee_share: float = Field(
        default=0.005,
        ge=0,
        le=1,
        description="share of the pixels that the referee images again by Monte Carlo; 0: no "
        "referee, the images then count as unchecked",
    )
    referee_electrons: int = Field(
        default=20, ge=2, le=10**6, description="electrons that it sends into each of them"
    )
    referee_bias: float = Field(
        default=0.005,
        gt=0,
        le=1,
        description="largest accepted bias of the yield of a phase; twice as much is accepted in a "
        "class of depth. The referee rejects what is larger beyond counting errors",
    )
    referee_rms: float = Field(
        default=0.02,
        gt=0,
        le=1,
        description="largest accepted error of the yield, root mean square over pixels; the "
        "referee rejects what is larger beyond counting errors",
    )
    referee_secondary_bias: float = Field(
        default=0.04,
        gt=0,
        description="`referee_bias` of channels that count secondary electrons, whose yields are "
        "larger",
    )
    referee_secondary_rms: float = Field(
        default=0.15,
        gt=0,
        description="`referee_rms` of channels that count secondary electrons",
    )
    on_failure: Literal["fail", "refine", "warn"] = Field(
        default="fail",
        description="fail: the step fails if the images do; refine: the network is trained further "
        "on this structure, where it is wrong, and fails if this does not suffice; warn: a warning",
    )

    @field_validator("detectors", mode="before")
    @classmethod
    def _one_detector(cls, given: Any) -> Any:
        """Read models from when none stood for the detector ``bse``."""
        return given or ("bse",)

    @model_validator(mode="after")
    def _teaching_is_possible(self) -> Self:
        if self.teaching_slices > self.teaching_shape[0]:
            raise ValueError(
                f"teaching_slices is {self.teaching_slices}, but the structures have "
                f"{self.teaching_shape[0]} slices (teaching_shape): give fewer"
            )
        if self.rounds > self.teaching_structures or self.rounds > self.steps:
            raise ValueError(
                f"{self.rounds} rounds with {self.teaching_structures} teaching_structures and "
                f"{self.steps} steps: a round needs at least one of each; give fewer rounds"
            )
        names = [material.name for material in self.materials]
        if len(set(names)) < len(names):
            raise ValueError(f"materials has duplicates: {names}; give each material once")
        return self

    @model_validator(mode="after")
    def _channels_are_possible(self) -> Self:
        if self.electrons_per_pixel is not None and self.detector_weighting == "energy":
            raise ValueError(
                "electrons_per_pixel is given with detector_weighting 'energy': counting noise is "
                "known for electrons that are counted alike only; leave electrons_per_pixel out, "
                "or use detector_weighting 'count'"
            )
        return self

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Name of each channel."""
        return names_of(self.channels)

    @staticmethod
    def check_pair(labels: bool, images: bool) -> None:
        """Refuse a fit for which only one of labels and images is given.

        Raises:
            FibError: names what is missing.
        """
        if labels != images:
            given, missing = ("labels", "images") if labels else ("images", "labels")
            raise FibError(
                f"{given} are given without {missing}: give both, to learn from them, or neither, "
                f"to learn from structures that the surrogate draws and images itself"
            )

    def check_given(self, labels: VolumeSpec, images: VolumeSpec) -> None:
        """Refuse labels and images from which the surrogate cannot learn.

        Raises:
            FibError: they differ in shape, the channels are not those of the parameters, or
                `mean_depth` is set, which images do not show.
        """
        if labels.shape != images.shape:
            raise FibError(
                f"labels have shape {labels.shape}, images {images.shape} (z, y, x): they must "
                f"show the same volume; cut both alike"
            )
        found = images.channels
        if len(set(found)) != len(found) or set(found) != set(self.channels):
            raise FibError(
                f"the images have {len(found)} channels ({', '.join(names_of(found))}), the "
                f"parameters name {len(self.kv)} ({', '.join(self.channel_names)}): choose the "
                f"channels with kv and detector, or set energies_kev and detectors"
            )
        if self.mean_depth:
            raise FibError(
                "mean_depth is set, but images do not show the depth of their electrons: leave "
                "it out, or fit without labels and images"
            )
