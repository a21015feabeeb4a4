"""Numbers that describe a structure of two phases, by which structures are compared.

In plane (along x and y) and along z are kept apart, since slices differ from pixels: segmentations
smear along z.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np

from fib_plugins.structure_statistics.blocks import block_shape, blocks_of
from fibcore.volumes import Labels

Phase = Literal["solid", "pore"]

PLANES = {"xy": (1, 2), "z": (0,)}
"""Directions -> axes of the volume."""
DISTANCES = (2, 3, 4, 6)
"""Distances of the autocovariance, in units of 2 phi (1 - phi) / S_V: half of the length a of an
exponential correlation exp(-r / a) (Debye, Anderson, Brumberger, J. Appl. Phys. 28 (1957) 679)."""
THICKNESS = {"solid": "ligament", "pore": "pore"}
LENGTH, PER_LENGTH = "_nm", "_per_um"
"""Ends of the names of lengths, and of inverse lengths."""


def statistics_of(labels: Labels, threads: int = 1) -> dict[str, float]:
    """Return statistics of a structure: name -> value, nan where a phase is missing.

    The solid fraction is that of all voxels; the others are means over at most six blocks of two
    million voxels, so that time and memory do not grow with the volume. Volumes below two million
    voxels are measured as a whole.

    - ``solid_fraction``, ``specific_surface_per_um``: see `surface`.
    - ``ligament_diameter_nm``, ``pore_diameter_nm``: mean local thickness, see `thickness`, and
      ``ligament_diameter_variation``, ``pore_diameter_variation``: its standard deviation over the
      mean.
    - ``chord_solid_xy_nm``, ``chord_solid_z_nm``, ``chord_pore_xy_nm``, ``chord_pore_z_nm``: mean
      chord length, and ``chord_solid_xy_variation``, ...: its standard deviation over the mean.
    - ``autocovariance_xy_2``, ``..._3``, ``..._4``, ``..._6``, ``autocovariance_z_2``, ...:
      (S2(r) - phi^2) / (phi - phi^2) at so many times the length 2 phi (1 - phi) / S_V.
    - ``largest_solid_component``, ``largest_pore_component``: see `connectivity`.

    Args:
        labels: phases; above 0 is solid. May be memory-mapped.
        threads: number of CPU threads; the result does not depend on it.
    """
    shape = block_shape(labels.shape, labels.voxel_size_nm)
    found = mean_of([block_statistics(block, threads) for block in blocks_of(labels, shape)])
    solid = sum(int(np.count_nonzero(plane)) for plane in labels.data)
    return found | {"solid_fraction": solid / labels.data.size}


def mean_of(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each statistic over the blocks that have it; nan if none has."""
    values = {name: [row[name] for row in rows if not math.isnan(row[name])] for name in rows[0]}
    return {name: float(np.mean(each)) if each else math.nan for name, each in values.items()}


def block_statistics(labels: Labels, threads: int = 1) -> dict[str, float]:
    """Return the statistics of one block, as a whole; see `statistics_of`.

    Chord lengths and correlations are corrected for the edges of the block.
    """
    from fib_plugins.structure_statistics.connectivity import connectivity
    from fib_plugins.structure_statistics.surface import specific_surface

    solid = np.asarray(labels.data) > 0
    sizes_nm = labels.voxel_size_nm
    fraction = float(np.count_nonzero(solid)) / solid.size
    surface = specific_surface(solid, sizes_nm, threads) if min(solid.shape) > 1 else math.nan
    found = {"solid_fraction": fraction, "specific_surface_per_um": 1e3 * surface}
    for phase in get_args(Phase):
        found |= _diameters(solid, sizes_nm, phase, threads)
    for phase in get_args(Phase):
        found |= _chords(solid, sizes_nm, phase, threads)
    found |= _autocovariance(solid, sizes_nm, fraction, surface, threads)
    for phase in get_args(Phase):
        found[f"largest_{phase}_component"] = connectivity(solid, phase).largest_fraction
    return found


def _diameters(
    solid: np.ndarray, sizes_nm: tuple[float, float, float], phase: Phase, threads: int
) -> dict[str, float]:
    """Return mean and variation of the local thickness of a phase."""
    from fib_plugins.structure_statistics.thickness import mean_thickness

    name, mean, variation = f"{THICKNESS[phase]}_diameter", math.nan, math.nan
    if solid.any() and not solid.all():
        bin_nm = min(sizes_nm)
        mean, counts = mean_thickness(solid, sizes_nm, phase, bin_nm, threads)
        lengths = bin_nm * np.arange(len(counts))
        about = np.average(lengths, weights=counts)
        variation = math.sqrt(np.average((lengths - about) ** 2, weights=counts)) / mean
    return {f"{name}_nm": float(mean), f"{name}_variation": float(variation)}


def _chords(
    solid: np.ndarray, sizes_nm: tuple[float, float, float], phase: Phase, threads: int
) -> dict[str, float]:
    """Return mean and variation of the chord lengths of a phase, in plane and along z.

    On a line with L(r) the lineal path at r voxels, a share L(0) - L(1) of the voxels ends a chord:
    the mean chord has n = L(0) / (L(0) - L(1)) voxels, and the mean square is 2 n sum(L) / L(0) - n
    (see `lineal_path`).
    """
    from fib_plugins.structure_statistics.lineal_path import SEGMENTS
    from fib_plugins.structure_statistics.packed_bits import pack_bits
    from fib_plugins.structure_statistics.two_point import count_in_slabs, pairs

    words = pack_bits(solid, phase, threads)
    found = {}
    for plane, axes in PLANES.items():
        ends, squares = [], []
        for axis in axes:
            most = max(1, solid.shape[axis] // 2)
            if most >= solid.shape[axis]:
                continue
            counted = count_in_slabs(SEGMENTS, words, axis, most, threads)
            path = counted / pairs(solid.shape, axis, most)
            if path[0] == path[1]:
                continue
            mean = path[0] / (path[0] - path[1])
            ends.append(1 / (mean * sizes_nm[axis]))
            squares.append(2 * path.sum() / path[0] / mean - 1 / mean - 1)
        name = f"chord_{phase}_{plane}"
        found[f"{name}_nm"] = float(1 / np.mean(ends)) if ends else math.nan
        found[f"{name}_variation"] = math.sqrt(max(0.0, np.mean(squares))) if squares else math.nan
    return found


def _autocovariance(
    solid: np.ndarray,
    sizes_nm: tuple[float, float, float],
    fraction: float,
    surface: float,
    threads: int,
) -> dict[str, float]:
    """Return the autocovariance at `DISTANCES`; nan beyond half of the block."""
    from fib_plugins.structure_statistics.packed_bits import pack_bits
    from fib_plugins.structure_statistics.two_point import PAIRS, count_in_slabs, pairs

    found = {f"autocovariance_{plane}_{n}": math.nan for plane in PLANES for n in DISTANCES}
    if not 0 < fraction < 1 or not surface > 0:
        return found
    unit_nm = 2 * fraction * (1 - fraction) / surface
    words = pack_bits(solid, "solid", threads)
    for plane, axes in PLANES.items():
        curves = []
        for axis in axes:
            most = solid.shape[axis] // 2
            counted = count_in_slabs(PAIRS, words, axis, most, threads)
            values = counted / pairs(solid.shape, axis, most)
            values = (values - fraction**2) / (fraction - fraction**2)
            lags = sizes_nm[axis] * np.arange(most + 1)
            at = unit_nm * np.array(DISTANCES)
            curves.append(np.interp(at, lags, values, right=math.nan))
        for n, value in zip(DISTANCES, np.mean(curves, axis=0), strict=True):
            found[f"autocovariance_{plane}_{n}"] = float(value)
    return found
