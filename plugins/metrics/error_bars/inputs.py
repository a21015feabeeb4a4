"""Checks of the inputs of error bars before anything is measured, and the memory they need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from fib_plugins.metrics.curves import PART_VOXELS
from fib_plugins.structure_statistics.connectivity import SLAB_VOXELS
from fib_plugins.structure_statistics.tiles import thickness_bytes
from fibcore import FibError, Segmenter, Source, VolumeSpec

VOXEL_SIZE_TOLERANCE = 0.02
LABELLED_BYTES = 8
"""Memory for each voxel of a slab whose components are labelled."""
FEWEST_SLICES = 4
"""Voxels along each axis."""


def check_inputs(inputs: Mapping[str, Any]) -> None:
    """Refuse inputs that do not belong together.

    Args:
        inputs: as `Plugin.forecast` takes them.

    Raises:
        FibError: shapes or voxel sizes differ, or volumes are too small.
    """
    prediction, images, pair = inputs.get("prediction"), inputs.get("images"), pair_of(inputs)
    if prediction is not None and images is not None and prediction.shape != images.shape:
        raise FibError(
            f"prediction has shape {prediction.shape}, images {images.shape} (z, y, x): give the "
            f"images that were segmented, cut in the same way"
        )
    for what, spec in (("the prediction", prediction), ("a twin", pair)):
        if spec is not None and min(spec.shape) < FEWEST_SLICES:
            raise FibError(
                f"{what} has {spec.shape} voxels (z, y, x); at least {FEWEST_SLICES} along each "
                f"axis are needed to see how errors differ from place to place"
            )
    if prediction is None or pair is None:
        return
    if not np.allclose(prediction.voxel_size_nm, pair.voxel_size_nm, rtol=VOXEL_SIZE_TOLERANCE):
        raise FibError(
            f"voxels of the prediction are {list(prediction.voxel_size_nm)} nm, those of the world "
            f"{list(pair.voxel_size_nm)} nm (z, y, x): errors depend on them. Generate the "
            f"structures of the world with the voxel size of the stack, or resample the stack"
        )


def pair_of(inputs: Mapping[str, Any]) -> VolumeSpec | None:
    """Return the spec of the images of a twin; None if it is unknown."""
    world = inputs.get("world")
    return world.forecast(world.main_method, {}).output if isinstance(world, Source) else None


def memory_bytes(inputs: Mapping[str, Any]) -> int:
    """Return the most memory at a time: to make, to segment or to measure a twin or the stack."""
    prediction, pair = inputs.get("prediction"), pair_of(inputs)
    world, segmenter = inputs.get("world"), inputs.get("segmenter")
    needed = [0]
    if prediction is not None:
        needed.append(_to_measure(prediction))
    if pair is not None and isinstance(world, Source):
        labels = math.prod(pair.shape)
        held = pair.nbytes + 2 * labels
        needed += [
            world.forecast(world.main_method, {}).memory_bytes,
            held + _to_measure(pair),
        ]
        if isinstance(segmenter, Segmenter):
            predicted = segmenter.forecast(segmenter.main_method, {"images": pair})
            needed.append(held + predicted.memory_bytes)
    return max(needed)


def _to_measure(spec: VolumeSpec) -> int:
    voxels = math.prod(spec.shape)
    labelled = LABELLED_BYTES * min(voxels, SLAB_VOXELS)
    return max(thickness_bytes(spec.shape), labelled, min(voxels, PART_VOXELS) // 8)
