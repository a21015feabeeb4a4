"""Removes curtains from a stack, a few slices at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from fib_plugins.correctors.destripe.column_median import column_medians
from fib_plugins.correctors.destripe.columns import Columns, slope_of
from fib_plugins.correctors.destripe.levels import Levelled, Scale
from fib_plugins.correctors.destripe.parameters import DestripeParameters
from fib_plugins.correctors.destripe.transmission import (
    Transmission,
    curtains_of,
    spacing_of,
)
from fib_plugins.correctors.destripe.variational import stripes_of
from fib_plugins.correctors.destripe.window import Prior, fit_offsets
from fib_plugins.correctors.streaming import as_dtype, corrections, in_order
from fibcore import Context, FibError, Images, VolumeSpec

CHUNK, MARGIN = 8, 3
"""So many slices are corrected together, from so many more on either side."""
HELD = 1.5
"""Results of each thread that are in memory at a time."""
ARRAYS = 11
"""Arrays of the size of the offsets: sums, and those of conjugate gradients."""
TRANSMISSION_ARRAYS = 12
"""The same of transmissions."""
STRIPES_ONLY = 0.9
"""Share of a stack's deviation that is removed above which a warning is given."""


def chunks(count: int) -> list[tuple[int, int]]:
    """Return first slice and the one after the last of parts of a stack."""
    parts = max(1, round(count / CHUNK))
    edges = np.linspace(0, count, parts + 1).astype(int).tolist()
    return list(pairwise(edges))


def bytes_each(spec: VolumeSpec, method: str, length_px: float) -> int:
    """Return the memory of a thread: slices at work, offsets, and results that wait."""
    pixels, size = spec.shape[1] * spec.shape[2], np.dtype(spec.dtype).itemsize
    results = int(HELD * min(CHUNK + 1, spec.shape[0]) * pixels * size)
    if method == "variational":
        return results + 80 * pixels
    if method == "column_median":
        return results + 40 * pixels
    if method == "transmission":
        count = min(CHUNK + 2 * MARGIN, spec.shape[0])
        knots = spec.shape[1] / spacing_of(length_px) + 2
        at_knots = TRANSMISSION_ARRAYS * count * knots * spec.shape[2] * 4
        return results + count * pixels * (size + 9) + max(int(at_knots), 40 * pixels)
    count = min(CHUNK + 2 * MARGIN, spec.shape[0])
    levelled = count * pixels * size if np.dtype(spec.dtype).kind == "f" else 0
    at_knots = ARRAYS * count * (spec.shape[1] / length_px + 2) * spec.shape[2] * 4
    return results + levelled + max(int(at_knots), 22 * pixels)


@dataclass(frozen=True)
class _Part:
    """Corrected slices, what was removed from each, and their deviations (grey values)."""

    planes: list[np.ndarray]
    removed: list[float]
    deviations: list[float]


def remove_curtains(
    plugin: DestripeParameters, images: Images, info: Mapping[str, Any], context: Context
) -> Images:
    """Return the images without curtains; keeps the table of corrections."""
    result = context.empty("destriped", images.data.shape, images.data.dtype)
    columns: dict[str, np.ndarray] = {}
    parts = chunks(images.shape[0])
    for channel, (stack, name) in enumerate(zip(images.data, images.names, strict=True)):
        own = {
            key: v[min(channel, len(v) - 1)] for key, v in info.items() if isinstance(v, list) and v
        }
        work = _Channel(plugin, stack, name, own, images.voxel_size_nm)
        removed: list[float] = []
        deviations: list[float] = []
        what = f"{name}: slices without curtains"
        each = bytes_each(images.spec, plugin.method, plugin.length_px)
        for (start, stop), part in zip(
            parts, in_order(work.part, parts, context, what, each), strict=True
        ):
            result[channel, start:stop] = part.planes
            removed += part.removed
            deviations += part.deviations
        grey, sd = np.array(removed), np.array(deviations)
        share = grey / np.maximum(sd, 1e-12)
        columns[f"{name}_curtains_grey"] = own["deviation"] * sd
        columns[f"{name}_removed_grey"] = grey
        columns[f"{name}_removed_share"] = share
        _warn(name, sd, float(share.mean()), context)
    context.keep("corrections", corrections(columns))
    return images.with_data(result)


def _warn(name: str, deviations: np.ndarray, share: float, context: Context) -> None:
    if constant := int(np.sum(deviations == 0)):
        context.log.warning("%s: %d constant slice(s) are returned as they are", name, constant)
    if share > STRIPES_ONLY:
        context.log.warning(
            "%s: the images show hardly anything but stripes, %.0f %% of their deviation was "
            "removed; look at the result before you use it",
            name,
            100 * share,
        )


class _Channel:
    """One channel of a stack, and how to correct its slices."""

    def __init__(
        self,
        plugin: DestripeParameters,
        stack: np.ndarray,
        name: str,
        own: Mapping[str, Any],
        voxel_size_nm: tuple[float, float, float],
    ) -> None:
        self.plugin, self.stack, self.name, self.own = plugin, stack, name, own
        slope = slope_of(own["slant_deg"], voxel_size_nm)
        _, rows, width = stack.shape
        self.transmission: Transmission | None = None
        spacing = plugin.length_px
        if numbers := own.get("transmission"):
            deviation, kept, scatter, *factors = numbers
            self.transmission = Transmission(
                own["black_level"], own["mean_level"], tuple(factors), scatter, deviation, kept
            )
            spacing = spacing_of(spacing)
        self.columns = Columns(rows, width, spacing, slope)
        noise = own["noise_across"], own["noise_between"], own["noise_bends"]
        self.prior = Prior(max(own["deviation"], 1e-6), *noise, plugin.kept)
        self.scale = Scale(own["black_level"], own["mean_level"])

    def part(self, part: tuple[int, int]) -> _Part:
        """Return corrected slices; `part` is the first and the one after the last."""
        start, stop = part
        around = self.plugin.method in ("slopes", "transmission") and self.own["deviation"] > 0
        first, last = (max(start - MARGIN, 0), stop + MARGIN) if around else (start, stop)
        planes = [np.asarray(plane) for plane in self.stack[first:last]]
        slices = [self._levelled(plane, first + z) for z, plane in enumerate(planes)]
        wanted = slice(start - first, stop - first)
        if self.own["deviation"] == 0:
            return _Part(planes[wanted], [0.0] * (stop - start), [s.spread for s in slices[wanted]])
        if self.transmission is not None:
            return self._transmitted(planes, slices, wanted, self.transmission)
        offsets = fit_offsets(slices, self.columns, self.prior)[wanted] if around else None
        done, removed = [], []
        for z, (plane, one) in enumerate(zip(planes[wanted], slices[wanted], strict=True)):
            if one.deviation == 0:
                done.append(plane)
                removed.append(0.0)
                continue
            stripes = self._single(one) if offsets is None else self.columns.offsets_of(offsets[z])
            stripes -= stripes.mean()
            corrected = one.without(plane, stripes)
            change = corrected[::2, ::2] - plane[::2, ::2]
            removed.append(float(change.std()))
            done.append(as_dtype(corrected, plane.dtype))
        return _Part(done, removed, [one.spread for one in slices[wanted]])

    def _transmitted(
        self, planes: list[np.ndarray], slices: list[Levelled], wanted: slice, known: Transmission
    ) -> _Part:
        """Return slices divided by the transmission of curtains."""
        curtains = curtains_of(planes, self.columns, known)[wanted]
        done, removed = [], []
        for plane, one, own in zip(planes[wanted], slices[wanted], curtains, strict=True):
            if one.deviation == 0:
                done.append(plane)
                removed.append(0.0)
                continue
            grey = plane.astype(np.float32)
            signal = (grey - np.float32(known.black)) * np.exp(own.mean() - own)
            corrected = signal + np.float32(known.black)
            if plane.dtype.kind == "u":
                saturated = (plane == 0) | (plane == np.iinfo(plane.dtype).max)
                corrected[saturated] = grey[saturated]
            removed.append(float((corrected - grey)[::2, ::2].std()))
            done.append(as_dtype(corrected, plane.dtype))
        return _Part(done, removed, [one.spread for one in slices[wanted]])

    def _levelled(self, plane: np.ndarray, z: int) -> Levelled:
        if plane.dtype.kind == "f" and not np.isfinite(plane).all():
            raise FibError(
                f"slice {z} of {self.name} has grey values that are not finite: repair or crop the "
                f"images"
            )
        return Levelled.of(plane, self.scale)

    def _single(self, one: Levelled) -> np.ndarray:
        """Return the stripes of a slice by itself, on the levelled scale."""
        if self.plugin.method == "variational":
            slope = self.columns.slope
            deviation, length = self.own["deviation"], self.plugin.length_px
            return stripes_of(one.filled(), deviation, length, slope)
        medians = column_medians(one.filled(), self.columns)
        return self.columns.offsets_of(np.float32(self.own["gain"]) * medians)
