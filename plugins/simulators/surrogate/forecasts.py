"""What a fit and a simulation make and need, and inputs that cannot work."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fib_plugins.simulators.surrogate.known import check_names, check_size, info_of
from fib_plugins.simulators.surrogate.reach import (
    depth_scale_nm,
    geometry_of,
    too_coarse,
    too_shallow,
)
from fibcore import FibError, Forecast, Material, Model, VolumeSpec
from fibcore.context import held_bytes

if TYPE_CHECKING:
    from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
    from fib_plugins.simulators.surrogate.trained import TrainedNetwork

SLAB = 16
"""Slices in work at a time."""
BYTES_PER_WINDOW_PIXEL = 1100
"""Memory of a pixel of a window in work: features, planes and labels of all its slices."""
BYTES_PER_NOISY_PIXEL = 28
"""Memory of a pixel of a slice that is given counting noise."""
TRAINING_BYTES = 400 * 2**20


def forecast_fit(
    plugin: str,
    params: SurrogateParameters,
    labels: VolumeSpec | None,
    images: VolumeSpec | None,
) -> Forecast:
    """Return the model and the memory of a fit.

    Raises:
        FibError: it cannot work.
    """
    voxel_size = params.voxel_size_nm if labels is None else labels.voxel_size_nm
    geometry = geometry_of(params, params.materials, voxel_size)
    scale = depth_scale_nm(params, params.materials) if params.mean_depth else []
    info = info_of(params, params.materials, voxel_size, geometry, scale)
    if labels is None and images is None:
        _check_teaching(params, geometry.grain)
    if labels is not None and images is not None:
        params.check_given(labels, images)
        check_names(info, labels.phases)
    plane = int(np.prod(params.teaching_shape[1:]))
    shown = max(1, len(params.materials) - 1)  # media that the planes of the levels show
    lesson = (1 + 5 * shown) * plane * params.teaching_shape[0]
    lesson += 8 * plane * params.teaching_slices * len(params.kv)
    return Forecast(
        memory_bytes=TRAINING_BYTES + params.teaching_structures * lesson,
        model=Model(plugin, params.model_dump(mode="json"), info=info),
        warnings=(
            *too_coarse(params, params.materials, voxel_size),
            *too_shallow(params, params.materials, voxel_size, geometry),
        ),
    )


def forecast_simulation(
    params: SurrogateParameters,
    network: TrainedNetwork,
    labels: VolumeSpec,
    output: VolumeSpec,
) -> Forecast:
    """Return the images and the memory of a simulation.

    Args:
        params: the parameters.
        network: the network that images.
        labels: the structure.
        output: spec of images of all of it.

    Raises:
        FibError: the network does not know the structure or a voltage, or the box is outside.
    """
    check_size(network.info, labels.voxel_size_nm)
    check_names(network.info, labels.phases)
    network.channels_for(params)
    if labels.phases:
        params.check_below(labels.phases)
    depth, height, width = (stop - start for start, stop in params.box(labels.shape))
    images = replace(output, shape=(depth, height, width)).of_channels(params.channels)
    edge = min(params.window, max(labels.shape[1:])) + 2 * max(network.geometry.margin)
    memory = (os.cpu_count() or 1) * BYTES_PER_WINDOW_PIXEL * edge**2
    outputs = len(params.kv) * (2 if params.mean_depth else 1)
    memory += held_bytes(4 * SLAB * outputs * height * width)
    if params.electrons_per_pixel:
        memory += (os.cpu_count() or 1) * BYTES_PER_NOISY_PIXEL * height * width
    if params.referee_share:  # the lattice of the Monte Carlo
        memory += held_bytes(int(np.prod(labels.shape)))
    materials = [Material(**material) for material in network.info["materials"]]
    return Forecast(
        images,
        {"depth": images} if params.mean_depth else {},
        memory,
        warnings=tuple(too_coarse(params, materials, labels.voxel_size_nm)),
    )


def _check_teaching(params: SurrogateParameters, grain: tuple[int, int]) -> None:
    for axis, edge, step in zip("yx", params.teaching_shape[1:], grain, strict=True):
        if edge % step:
            near = sorted({max(step, edge // step * step), -(-edge // step) * step})
            raise FibError(
                f"teaching_shape has {edge} pixels along {axis}, but the coarsest level of the "
                f"network has pixels of {step}: use {' or '.join(map(str, near))}"
            )
