"""Labels, and if requested probabilities, of a stack that is segmented slab by slab."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fibcore import Context, Images, Labels, Material, VolumeSpec


def specs(
    images: VolumeSpec, phases: Mapping[int, str], save_probability: bool
) -> tuple[VolumeSpec, dict[str, VolumeSpec]]:
    """Return the results of a segmentation of these images: labels, and what is kept by name.

    Args:
        images: the images to segment.
        phases: phase number -> material name; empty where not known yet.
        save_probability: whether probabilities are kept.
    """
    labels = VolumeSpec(Labels, images.shape, images.voxel_size_nm, phases=phases)
    if not save_probability:
        return labels, {}
    channels = (None,) * (len(phases) or 2)
    kept = VolumeSpec(Images, images.shape, images.voxel_size_nm, channels, "float32")
    return labels, {"probability": kept}


class Segmentation:
    """The most probable phase of each voxel, and the probability of each phase.

    Args:
        images: the images to segment.
        phases: phase number -> material, ascending: one class each.
        save_probability: whether to keep `probability`: float32 from 0 to 1, a channel per phase.
        context: surroundings of the step.
    """

    def __init__(
        self,
        images: Images,
        phases: Mapping[int, Material],
        save_probability: bool,
        context: Context,
    ) -> None:
        self._voxel_size_nm, self._phases, self._context = images.voxel_size_nm, phases, context
        self._numbers = np.array(list(phases), np.uint8)
        self._labels = context.empty("labels", images.shape, np.uint8)
        self._probability: np.ndarray | None = None
        if save_probability:
            shape = (len(phases), *images.shape)
            self._probability = context.empty("probability", shape, np.float32)

    def add(self, z: int, probability: np.ndarray, y: int = 0, x: int = 0) -> None:
        """Store probabilities of slices from `z`, rows from `y` and columns from `x` on.

        Their axes are (phase, slice, y, x); none is NaN. Parts may come in any order and from
        several threads. Of equally probable phases the first one is the result.
        """
        _, slices, height, width = probability.shape
        part = (slice(z, z + slices), slice(y, y + height), slice(x, x + width))
        most = probability[0]
        labels = np.full(most.shape, self._numbers[0])
        for number, of_phase in zip(self._numbers[1:], probability[1:], strict=True):
            np.copyto(labels, number, where=of_phase > most)
            most = np.maximum(most, of_phase)
        self._labels[part] = labels
        if self._probability is not None:
            self._probability[:, *part] = probability

    def put(self, z: int, labels: np.ndarray, probability: np.ndarray | None) -> None:
        """Store phases, axes (z, y, x), and probabilities, if kept, of slices from `z` on."""
        self._labels[z : z + len(labels)] = labels
        if self._probability is not None and probability is not None:
            self._probability[:, z : z + len(labels)] = probability

    @property
    def arrays(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Phases, axes (z, y, x), and probabilities, axes (phase, z, y, x), if they are kept."""
        return self._labels, self._probability

    @property
    def phases(self) -> Mapping[int, Material]:
        """Phase number -> material."""
        return self._phases

    def finish(self) -> Labels:
        """Return the labels; keep the probabilities in the context."""
        if self._probability is not None:
            names = tuple(f"p({material.name})" for material in self._phases.values())
            kv = (None,) * len(names)
            kept = Images(self._probability, self._voxel_size_nm, kv, names, "probability")
            self._context.keep("probability", kept)
        return Labels(self._labels, self._voxel_size_nm, self._phases)
