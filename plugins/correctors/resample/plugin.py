"""Voxels of another size, and slices at even distances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from fib_plugins.correctors.positions import given_positions
from fib_plugins.correctors.resample.weights import (
    Interpolation,
    Weights,
    edges_of,
    even_weights,
    uneven_weights,
)
from fib_plugins.threads import bytes_in_threads
from fibcore import Context, Corrector, FibError, Forecast, Images, Labels, Table, VolumeSpec, keeps
from fibcore.context import held_bytes
from fibcore.params import Shape, VoxelSize

Sizes = tuple[float, float, float]
MOST_VOXELS_FACTOR = 1000
"""Most new voxels for each given one: more are a mistake of units."""


class Resample(Corrector):
    """Brings a stack to cubic or wanted voxels, and uneven slices to even distances.

    Larger voxels are averages of what they cover, each voxel weighted with its overlap (exact
    integrals along each axis); smaller ones are interpolated at their centre. Voxels begin where
    the stack begins; a part of a voxel at the far end is left out.

    With `positions` (the table ``corrections`` of `corrector/thickness`, or one of the microscope)
    slices may be uneven: each reaches half way to its neighbours. New slices at least 1.5 times as
    thick as the given ones are averages, others are interpolated between the nearest slices.
    Without `positions` slices are even, at the distance of the voxel size.

    Labels are treated with the same shares, those of linear interpolation where there is any: a new
    voxel gets the phase with the largest share (of equal shares the smaller phase). With two phases
    and interpolation along one axis this is the nearest voxel.
    """

    name: ClassVar[str] = "resample"

    voxel_size_nm: VoxelSize | Literal["cubic", "even"] = Field(
        default="cubic",
        description="voxel size of the result, [z, y, x] or one number, nm; cubic: the larger edge "
        "of the pixels along all axes; even: pixels as they are, slices at their mean distance",
    )
    interpolation: Interpolation = Field(
        default="linear",
        description="interpolation of smaller voxels and of uneven slices; cubic is sharper, and "
        "may overshoot at edges",
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the result; it is unknown if positions are given, or labels differ."""
        spec, labels = inputs.get("images"), inputs.get("labels")
        if spec is None:
            return Forecast()
        _check_labels(spec, labels)
        if "positions" in inputs:
            memory = self._memory(spec, spec.shape, 4)
            return Forecast(memory_bytes=memory)
        size = self._size(spec.voxel_size_nm, spec.voxel_size_nm[0])
        z, y, x = (
            even_weights(count, given, new, self.interpolation)
            for count, given, new in zip(spec.shape, spec.voxel_size_nm, size, strict=True)
        )
        shape = (len(z), len(y), len(x))
        output = replace(spec, shape=shape, voxel_size_nm=size)
        memory = self._memory(spec, shape, z.shares.shape[1]) + held_bytes(output.nbytes)
        kept = {}
        if labels is not None:
            kept["labels"] = replace(labels, shape=shape, voxel_size_nm=size)
            memory += held_bytes(kept["labels"].nbytes)
        return Forecast(output, kept, memory_bytes=memory)

    def _memory(self, spec: VolumeSpec, shape: tuple[int, int, int], width: int) -> int:
        """Return the memory of threads: a sum of slices, its two passes, results that wait."""
        _, y, x = spec.shape
        each = 4 * (y * x + shape[1] * x + shape[1] * shape[2])
        waiting = 3 * shape[1] * shape[2] * np.dtype(spec.dtype).itemsize * len(spec.kv)
        return bytes_in_threads(each + waiting, shape[0])

    def _size(self, given: Sizes, mean_z: float) -> Sizes:
        """Return the voxel size of the result.

        Args:
            given: voxel size of the stack.
            mean_z: mean distance of slices.
        """
        if self.voxel_size_nm == "cubic":
            edge = max(given[1:])
            return (edge, edge, edge)
        if self.voxel_size_nm == "even":
            return (mean_z, *given[1:])
        return self.voxel_size_nm

    @keeps(labels=Labels, corrections=Table)
    def correct(
        self,
        images: Images,
        positions: Table | None = None,
        labels: Labels | None = None,
        context: Context | None = None,
    ) -> Images:
        """Return the images with new voxels; keeps ``corrections``, and ``labels`` if given.

        The table has a row for each given slice: position_nm, thickness_nm (half way to both
        neighbours) and moved_nm, by how much it is nearer to the last slice than even slices of
        the mean thickness would be.

        Args:
            images: the stack; its channels are resampled alike.
            positions: column position_nm, one row per slice, increasing; default: even slices.
            labels: labels of the same voxels.
            context: surroundings of the step.

        Raises:
            FibError: positions of another number than that of the slices, or that do not increase;
                labels of another shape; voxels so small that the result would be a thousand times
                as large.
        """
        context = Context.of(context)
        _check_labels(images.spec, None if labels is None else labels.spec)
        count, given = images.shape[0], images.voxel_size_nm
        places = given_positions(positions, None, count)
        even = places is None or count == 1
        if places is None:
            places = np.arange(count) * given[0]
        mean = (places[-1] - places[0]) / (count - 1) if count > 1 else given[0]
        size = self._size(given, float(mean))
        pixels = (given[1], given[2])

        def axes(how: Interpolation) -> tuple[Weights, Weights, Weights]:
            z = (
                even_weights(count, given[0], size[0], how)
                if even
                else uneven_weights(places, size[0], how)
            )
            y, x = (
                even_weights(number, pixel, new, how)
                for number, pixel, new in zip(images.shape[1:], pixels, size[1:], strict=True)
            )
            return z, y, x

        weights = axes(self.interpolation)
        _check_size(images.shape, (len(weights[0]), len(weights[1]), len(weights[2])))
        from fib_plugins.correctors.resample.walk import resampled, resampled_labels

        data = resampled(images.data, weights, context)
        if labels is not None:
            moved = resampled_labels(labels.data, axes("linear"), context)
            context.keep("labels", labels.with_data(moved, voxel_size_nm=size))
        context.keep("corrections", _table(places, float(mean), given[0]))
        return images.with_data(data, voxel_size_nm=size)


def _table(places: np.ndarray, mean: float, given_nm: float) -> Table:
    from fib_plugins.correctors.streaming import corrections

    count = len(places)
    thickness = np.diff(edges_of(places)) if count > 1 else np.array([given_nm])
    return corrections(
        {
            "position_nm": places,
            "thickness_nm": thickness,
            "moved_nm": places - places[0] - np.arange(count) * mean,
        }
    )


def _check_labels(images: VolumeSpec, labels: VolumeSpec | None) -> None:
    if labels is not None and labels.shape != images.shape:
        raise FibError(
            f"the labels have shape {labels.shape}, the images {images.shape} (z, y, x): give "
            f"labels of the same voxels"
        )


def _check_size(given: Shape, new: Shape) -> None:
    if np.prod(new, dtype=float) > MOST_VOXELS_FACTOR * np.prod(given, dtype=float):
        raise FibError(
            f"{new[0]} x {new[1]} x {new[2]} voxels would be made of {given[0]} x {given[1]} x "
            f"{given[2]}; check voxel_size_nm, which is in nm"
        )
