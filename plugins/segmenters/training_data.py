"""The training data of a segmenter as recorded in its model, and checks of other images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.channels import channels_of, counted, in_order, info_of, selection, shown
from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.unlabelled import UNLABELLED, counts_of_slices
from fibcore import Context, FibError, Images, Labels, Material, VolumeSpec
from fibcore.channels import Channel
from fibcore.models import ModelInfo

VOXEL_SIZE_TOLERANCE = 0.05

PositiveNumber = Annotated[float, Field(gt=0)]
Phase = Annotated[str, Field(pattern=r"^(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])$")]


class TrainingInfo(ModelInfo):
    """The info of a segmenter's model; see `TrainingData`."""

    kv: Annotated[list[float | None], Field(min_length=1)]
    detectors: list[str | None] = Field(default_factory=list)
    voxel_size_nm: Annotated[list[PositiveNumber], Field(min_length=3, max_length=3)]
    phases: Annotated[dict[Phase, Material], Field(min_length=2)]
    grey_centre: list[float]
    grey_scale: list[PositiveNumber]
    shares: list[Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _one_scale_per_channel(self) -> Self:
        if len(self.detectors) not in (0, len(self.kv)):
            raise ValueError(f"{len(self.kv)} voltages and {len(self.detectors)} detectors")
        if not len(self.kv) == len(self.grey_centre) == len(self.grey_scale):
            raise ValueError(
                f"{len(self.kv)} voltages, {len(self.grey_centre)} grey centres and "
                f"{len(self.grey_scale)} grey scales; there is one of each for a channel"
            )
        return self


def check_same_volume(images: tuple[int, ...], labels: tuple[int, ...]) -> None:
    """Refuse images and labels of different shapes.

    Raises:
        FibError: the shapes, in axes (z, y, x), differ.
    """
    if images != labels:
        raise FibError(
            f"images have shape {images}, labels {labels} (z, y, x): they must show the same "
            f"volume; cut both alike, or train on the labels that were imaged"
        )


def class_of_phase(labels: Labels) -> np.ndarray:
    """Return a table from phase number (0 to 255) to class number (0, 1, ...), uint8.

    The class of voxels without a label is `UNLABELLED`.

    Raises:
        FibError: phases in the labels without a material, or fewer than two phases.
    """
    found = np.flatnonzero(counts_of_slices(labels).sum(axis=0)).tolist()
    named = sorted(labels.phases)
    if not set(found) <= set(named):
        raise FibError(
            f"the labels hold the phases {found}, but materials are known for {named} only; "
            f"give a material for each phase"
        )
    if len(found) < 2:
        only = f"phase {found[0]} only" if found else f"no label, {UNLABELLED} everywhere"
        raise FibError(
            f"the labels hold {only}; to learn to distinguish phases, a "
            f"segmenter needs a structure with at least two"
        )
    return classes_of(labels.phases)


def classes_of(phases: Iterable[int]) -> np.ndarray:
    """Return a table from phase number (0 to 255) to class number, uint8, for some phases."""
    table = np.zeros(256, np.uint8)
    table[UNLABELLED] = UNLABELLED
    for number, phase in enumerate(sorted(phases)):
        table[phase] = number
    return table


@dataclass(frozen=True)
class TrainingData:
    """The info of a model about the images and labels that it was trained on.

    Attributes:
        info: the model's info; see `record`.
        learner: name of the model in messages: ``network``, ``forest``.
    """

    info: Mapping[str, Any]
    learner: str

    @staticmethod
    def record(images: Images, labels: Labels, grey_scale: GreyScale) -> dict[str, Any]:
        """Return the info to be saved, as JSON values.

        Voltage, detector and grey scale (mean over slices where each has its own) of the channels,
        voxel size in nm, the material of each phase.
        """
        return {
            **info_of(images.channels),
            "voxel_size_nm": list(images.voxel_size_nm),
            "phases": {
                str(number): labels.phases[number].model_dump(mode="json")
                for number in sorted(labels.phases)
            },
            "grey_centre": grey_scale.centre.mean(axis=1).tolist(),
            "grey_scale": grey_scale.scale.mean(axis=1).tolist(),
        }

    @staticmethod
    def known_before_run(images: VolumeSpec, labels: VolumeSpec | None) -> dict[str, Any] | None:
        """Return the part of the info that forecasts need, if the phases are known already."""
        if labels is None or not labels.phases:
            return None
        phases = {str(number): {"name": name} for number, name in labels.phases.items()}
        return {**info_of(images.channels), "phases": phases}

    def _of_training(self, key: str) -> Any:
        if key not in self.info:
            raise FibError(
                f"the model lacks {key!r} of the images that it was trained on: it is "
                f"damaged, or was made by another program; train another {self.learner}"
            )
        return self.info[key]

    @property
    def phase_names(self) -> dict[int, str]:
        """Phase number -> name of its material, ascending."""
        phases = self._of_training("phases")
        return {int(number): phases[number]["name"] for number in sorted(phases, key=int)}

    @property
    def phases(self) -> dict[int, Material]:
        """Phase number -> material, ascending."""
        phases = self._of_training("phases")
        return {int(number): Material(**phases[number]) for number in sorted(phases, key=int)}

    @property
    def shares(self) -> list[float]:
        """Share of each phase, ascending by number; empty in models of older versions."""
        return list(self.info.get("shares", ()))

    @property
    def channels(self) -> tuple[Channel, ...]:
        """Channels of the images of training."""
        self._of_training("kv")
        return channels_of(self.info)

    def check_channels(self, channels: Sequence[Channel]) -> None:
        """Refuse images with another number of channels than those of training.

        Raises:
            FibError: the number of channels differs.
        """
        trained = self.channels
        if len(channels) != len(trained):
            raise FibError(
                f"the images have {counted(channels)}, but the {self.learner} was trained on "
                f"{counted(trained)}: choose the channels with {selection(trained)}, or train "
                f"another {self.learner}"
            )

    def matched(self, images: Images, context: Context) -> Images:
        """Return the images with channels in the order of training; warn of differences.

        Raises:
            FibError: the number of channels differs.
        """
        self.check_channels(images.channels)
        trained, voxel_size_nm = self.channels, self._of_training("voxel_size_nm")
        images = in_order(images, trained, partial(context.empty, "channels-of-training"))
        if images.channels != trained:
            context.log.warning(
                "the %s was trained on %s, these images are %s: shine-through and contrast "
                "differ; train on images of this voltage and detector",
                self.learner,
                shown(trained),
                shown(images.channels),
            )
        if not np.allclose(images.voxel_size_nm, voxel_size_nm, rtol=VOXEL_SIZE_TOLERANCE, atol=0):
            context.log.warning(
                "the %s was trained on voxels of %s nm, these are %s nm (z, y, x): the sizes "
                "that it has learned do not fit; train on a structure with this voxel size",
                self.learner,
                list(voxel_size_nm),
                list(images.voxel_size_nm),
            )
        return images

    def grey_scale(self, images: Images, normalization: str) -> GreyScale:
        """Return the grey scale for images: that of ``training``, of the ``stack`` or ``slice``.

        Raises:
            FibError: images that are constant or not finite.
        """
        if normalization == "training":
            centre, scale = (
                np.array(self._of_training("grey_centre")),
                np.array(self._of_training("grey_scale")),
            )
            return GreyScale(centre[:, None], scale[:, None])
        return GreyScale.of(images, per_slice=normalization == "slice")
