"""Curtains of all channels of a stack: their strength, slant and scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fib_plugins.correctors.destripe.levels import Levelled, Scale
from fib_plugins.correctors.destripe.parameters import DestripeParameters
from fib_plugins.correctors.destripe.response import find_black_level
from fib_plugins.correctors.destripe.strength import Sample
from fib_plugins.correctors.destripe.transmission import find_transmission, spacing_of
from fibcore import Context, FibError, Images

BELOW = 0.1
"""Without signal is what lies so far below the darkest pixels, in units of the contrast."""
PLACES, SLICES, PIXELS = 3, 12, 768
"""Sampled are so many runs of so many slices, at most so many pixels along each edge."""
NOTHING: dict[str, Any] = {
    "deviation": 0.0,
    "gain": 0.0,
    "noise_across": 1.0,
    "noise_between": 1.0,
    "noise_bends": 1.0,
    "transmission": [],
}
"""The info of a channel without curtains."""


def find_curtains(plugin: DestripeParameters, images: Images, context: Context) -> dict[str, Any]:
    """Return the info of a model of `corrector/destripe`: name -> numbers of the channels.

    Raises:
        FibError: values that are not finite.
    """
    single = images.shape[0] == 1
    if single and plugin.strength != 0:
        context.log.warning(
            "a single slice: curtains cannot be distinguished from structure that runs along y, "
            "which may be removed as well; give the whole stack, or a small strength"
        )
    found = []
    for stack, name in context.track(list(zip(images.data, images.names, strict=True)), "channels"):
        found.append(_of_channel(plugin, stack, name, images.voxel_size_nm, context))
    if plugin.strength == "auto" and not any(one["deviation"] for one in found):
        context.log.warning(
            "no curtains are visible: the images are returned as they are; if you see some, give "
            "a strength"
        )
    return {
        **{
            name: [one[name] for one in found]
            for name in (*NOTHING, "slant_deg", "black_level", "mean_level")
        },
    }


def _of_channel(
    plugin: DestripeParameters,
    stack: np.ndarray,
    name: str,
    voxel_size_nm: tuple[float, float, float],
    context: Context,
) -> dict[str, Any]:
    """Return the numbers of one channel."""
    slant = 0.0 if plugin.slant_deg == "auto" else plugin.slant_deg
    black = None if plugin.black_level == "auto" else plugin.black_level
    nothing = {**NOTHING, "slant_deg": slant, "black_level": black, "mean_level": 0.0}
    if plugin.strength == 0:
        return nothing
    runs = sampled_runs(stack)
    if not runs:
        context.log.warning("%s: the sampled slices are constant, no curtains are removed", name)
        return nothing
    if not all(np.isfinite(plane).all() for run in runs for plane in run):
        raise FibError(f"{name} has grey values that are not finite: repair or crop the images")
    mean = float(np.mean([plane.mean(dtype=float) for run in runs for plane in run]))
    if plugin.method == "transmission":
        return nothing | _transmission(plugin, runs, voxel_size_nm)
    known = plugin.length_px, plugin.kept, voxel_size_nm
    sample = Sample(_levelled(runs, Scale(black, mean)), *known)
    if plugin.slant_deg == "auto":
        slant = sample.slant()
    deviation = sample.deviation(slant) if plugin.strength == "auto" else plugin.strength
    if plugin.black_level == "auto" and deviation > 0:
        black = find_black_level(runs, mean, slant, *known)
        if black is not None:
            sample = Sample(_levelled(runs, Scale(black, mean)), *known)
            deviation = sample.deviation(slant) if plugin.strength == "auto" else deviation
    gain = 1.0
    if plugin.method == "column_median":
        gain = sample.gain_of_medians(slant, None if plugin.strength == "auto" else deviation)
    if deviation == 0.0:
        return {**nothing, "slant_deg": slant}
    return {
        "deviation": deviation,
        "gain": gain,
        "noise_across": sample.noise[0],
        "noise_between": sample.noise[1],
        "noise_bends": sample.noise[2],
        "transmission": [],
        "slant_deg": slant,
        "black_level": black,
        "mean_level": mean,
    }


def _transmission(
    plugin: DestripeParameters,
    runs: Sequence[Sequence[np.ndarray]],
    voxel_size_nm: tuple[float, float, float],
) -> dict[str, Any]:
    """Return the numbers of a channel whose curtains are the transmission of the bright phase."""
    grey = np.stack([plane for run in runs for plane in run])
    mean, spread = float(grey.mean(dtype=float)), float(grey.std(dtype=float))
    least, dark, light = (float(level) for level in np.quantile(grey, (0.01, 0.1, 0.9)))
    black = plugin.black_level
    if black == "auto" or black is None:
        black = least - BELOW * (light - dark)
    unit = max(mean - black, 1e-6 * spread)
    strength = None if plugin.strength == "auto" else plugin.strength * spread / unit
    known, slant = find_transmission(
        runs,
        black,
        spacing_of(plugin.length_px),
        None if plugin.slant_deg == "auto" else plugin.slant_deg,
        voxel_size_nm,
        (strength, None if plugin.persistence_slices == "auto" else plugin.kept),
    )
    return {
        "deviation": known.deviation * unit / spread,
        "slant_deg": slant,
        "black_level": black,
        "mean_level": mean,
        "transmission": [known.deviation, known.kept, known.scatter, *known.factors],
    }


def _levelled(runs: Sequence[Sequence[np.ndarray]], scale: Scale) -> list[list[Levelled]]:
    return [[Levelled.of(plane, scale) for plane in run] for run in runs]


def sampled_runs(stack: np.ndarray) -> list[list[np.ndarray]]:
    """Return runs of consecutive slices, cut to their middle, without those with a constant one.

    Args:
        stack: a channel, axes (z, y, x).
    """
    count = len(stack)
    rows, columns = (_middle(size) for size in stack.shape[1:])
    places = max(1, min(PLACES, count // SLICES))
    firsts = (np.arange(places) + 0.5) * count / places - SLICES / 2
    found = []
    for first in firsts:
        start = max(int(first), 0)
        slices = range(start, min(start + SLICES, count))
        run = [np.ascontiguousarray(stack[z, rows, columns]) for z in slices]
        if all(np.ptp(plane) > 0 for plane in run):
            found.append(run)
    return found


def _middle(size: int) -> slice:
    start = max((size - PIXELS) // 2, 0)
    return slice(start, min(start + PIXELS, size))
