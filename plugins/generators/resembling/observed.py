"""What is compared: statistics of labels, corrected by twins, and their uncertainty."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fib_plugins.structure_statistics.blocks import block_shape, blocks_of
from fib_plugins.structure_statistics.summary import block_statistics, mean_of
from fibcore import FibError, Labels, Table

BOX_VOXELS = 2**19
"""Most voxels of a virtual structure that is compared."""
BLOCKS = 8
"""Most blocks of the labels that are compared."""
FINE = 8.0
"""Voxels across ligaments or pores that suffice: finer labels are compared at every second, third
... voxel along an axis."""
TOLERANCE = 0.02
"""By how much structures that resemble each other may differ in any statistic: relative for
lengths, absolute for shares, in addition to scatter."""
SPECKLE = 20
"""Islands of fewer voxels, of those that are compared, are taken for noise if there are no twins;
they would cut the largest inscribed balls. With `FINE` voxels across, ligaments have more."""
SMEARED = 2.5
"""How many times more along z, where segmentations smear, if no twins show by how much."""
SLOPE = 0.3
"""Standard deviation of the slope of truth minus measured on measured that is expected."""
FEWEST_TWINS = 3


@dataclass(frozen=True)
class Observed:
    """Statistics of labels, in a form in which they are compared (`transformed`).

    Attributes:
        values: name -> value, corrected.
        deviations: name -> standard deviation that twins leave, and tolerance.
        blocks: number of blocks that the statistics are means of.
        shape: shape of the blocks, in (coarser) voxels.
        voxel_size_nm: of these voxels.
        fraction_deviation: standard deviation of the solid fraction (of the logit), from the
            sample and the twins.
        corrected: names of the statistics that twins have corrected.
    """

    values: Mapping[str, float]
    deviations: Mapping[str, float]
    blocks: int
    shape: tuple[int, ...]
    voxel_size_nm: tuple[float, ...]
    fraction_deviation: float
    corrected: tuple[str, ...]

    @property
    def fraction(self) -> float:
        """Solid fraction, 0 to 1."""
        return 1 / (1 + math.exp(-self.values["solid_fraction"]))

    @property
    def surface(self) -> float:
        """Specific surface in 1/nm."""
        return math.exp(self.values["specific_surface_per_um"]) / 1e3


def is_length(name: str) -> bool:
    """Return whether a statistic is a length, or the inverse of one."""
    return name.endswith(("_nm", "_per_um"))


def transformed(statistics: Mapping[str, float]) -> dict[str, float]:
    """Return logarithms of lengths and the logit of the solid fraction; others as they are."""
    found = {}
    for name, value in statistics.items():
        if name == "solid_fraction":
            inside = min(max(value, 1e-6), 1 - 1e-6)
            found[name] = math.log(inside / (1 - inside))
        elif is_length(name):
            found[name] = math.log(value) if value > 0 else math.nan
        else:
            found[name] = value
    return found


def observed(
    labels: Labels, twins: Table | None, threads: int, log: logging.Logger, voxels: int = BOX_VOXELS
) -> Observed:
    """Return the statistics of labels of two phases: solid where 1.

    Args:
        labels: the labels.
        twins: what segmentation does to statistics: columns quantity, truth, measured.
        threads: number of CPU threads; the result does not depend on it.
        log: for warnings.
        voxels: most voxels of a block.

    Raises:
        FibError: one phase is missing, or the twins are no such table.
    """
    solid = sum(int(np.count_nonzero(plane == 1)) for plane in labels.data)
    fraction = solid / labels.data.size
    if not 0 < fraction < 1:
        raise FibError(
            f"the labels have {'no pore' if fraction else 'no solid (phase 1)'}: there is no "
            f"structure to fit to. Check the segmentation, or choose a part with both phases"
        )
    coarse = coarsened(labels, fineness_nm(labels, threads))
    shape = block_shape(coarse.shape, coarse.voxel_size_nm, voxels)
    rows, gained = [], 0.0
    blocks = blocks_of(coarse, shape, BLOCKS)
    for block in blocks:
        solid_here = _solid(block)
        # Twins have the same speckles, and correct them.
        clean = without_speckles(solid_here) if twins is None else solid_here
        gained += float(clean.mean() - solid_here.mean()) / len(blocks)
        rows.append(block_statistics(block.with_data(clean), threads))
    values = transformed(mean_of(rows) | {"solid_fraction": fraction + gained})
    sample = sample_deviation(labels)
    corrections = corrections_of(twins, values, log)
    deviations = {}
    for name in values:
        shift, spread = corrections.get(name, (0.0, 0.0))
        values[name] += shift
        smeared = "_z_" in name and name not in corrections
        deviations[name] = math.hypot(spread, TOLERANCE * (SMEARED if smeared else 1))
    of_twins = corrections.get("solid_fraction", (0.0, 0.0))[1]
    return Observed(
        values,
        deviations,
        len(rows),
        shape,
        coarse.voxel_size_nm,
        math.hypot(sample / (fraction * (1 - fraction)), of_twins),
        tuple(corrections),
    )


def fineness_nm(labels: Labels, threads: int) -> float:
    """Return the smaller of mean ligament and pore diameter, of one block."""
    shape = block_shape(labels.shape, labels.voxel_size_nm, BOX_VOXELS)
    for block in blocks_of(labels, shape, BLOCKS):
        clean = without_speckles(_solid(block))
        found = block_statistics(block.with_data(clean), threads)
        least = min(found["ligament_diameter_nm"], found["pore_diameter_nm"])
        if not math.isnan(least):
            return least
    return 0.0


def coarsened(labels: Labels, fineness_nm: float) -> Labels:
    """Return every n-th voxel along each axis, so that about `FINE` voxels span ligaments.

    A generator decides at the centres of voxels: the result is what it makes with larger voxels.
    """
    z, y, x = (
        max(1, min(int(fineness_nm / (FINE * size)), n // 32))
        for size, n in zip(labels.voxel_size_nm, labels.shape, strict=True)
    )
    a, b, c = labels.voxel_size_nm
    return labels.with_data(labels.data[::z, ::y, ::x], voxel_size_nm=(z * a, y * b, x * c))


def without_speckles(solid: np.ndarray) -> np.ndarray:
    """Return labels without islands of fewer than `SPECKLE` voxels, of solid first, then of pore.

    Args:
        solid: uint8 in axes (z, y, x), 0 or 1.
    """
    from scipy import ndimage

    clean = solid.copy()
    for phase in (1, 0):
        numbers, _ = ndimage.label(clean == phase)
        small = np.bincount(numbers.reshape(-1)) < SPECKLE
        small[0] = False
        clean[small[numbers]] = 1 - phase
    return clean


def sample_deviation(labels: Labels) -> float:
    """Return the standard deviation of the solid fraction that a sample of this size has.

    The variance of a mean over 64 parts of the volume is that between parts over their number; of
    parts that are not much larger than the structure it is a little too small.
    """
    parts = [
        [slice(n * i // count, n * (i + 1) // count) for i in range(count)]
        for n, count in zip(labels.shape, (min(n, 4) for n in labels.shape), strict=True)
    ]
    shares = [
        float(np.mean(labels.data[a, b, c] == 1))
        for a in parts[0]
        for b in parts[1]
        for c in parts[2]
    ]
    return float(np.std(shares, ddof=1)) / math.sqrt(len(shares)) if len(shares) > 1 else 0.0


def corrections_of(
    twins: Table | None, values: Mapping[str, float], log: logging.Logger
) -> dict[str, tuple[float, float]]:
    """Return what is added to each statistic, and the standard deviation left.

    Truth minus measured is regressed on measured, with a slope that is expected to be near 0: of
    few twins that are much alike, the mean difference counts.

    Args:
        twins: columns quantity, truth, measured; quantities that are no statistic are ignored.
        values: transformed statistics of the labels.
        log: for warnings.

    Raises:
        FibError: the table has no such columns.
    """
    if twins is None:
        return {}
    missing = [name for name in ("quantity", "truth", "measured") if name not in twins]
    if missing:
        raise FibError(
            f"the table of twins lacks the column {missing[0]}; it has {', '.join(twins.names)}: "
            f"give `twins` of metric/error_bars"
        )
    found = {}
    for name, value in values.items():
        rows = np.flatnonzero(twins["quantity"] == name)
        pairs = np.array(
            [
                [transformed({name: float(twins[column][row])})[name] for row in rows]
                for column in ("truth", "measured")
            ]
        ).reshape(2, -1)
        truth, measured = pairs[:, np.isfinite(pairs).all(axis=0)]
        if len(truth) < FEWEST_TWINS or math.isnan(value):
            continue
        found[name] = _correction(truth - measured, measured, value)
    if not found:
        log.warning(
            "the table of twins has fewer than %d rows for each statistic of structures: nothing "
            "is corrected",
            FEWEST_TWINS,
        )
    return found


def _correction(error: np.ndarray, measured: np.ndarray, value: float) -> tuple[float, float]:
    """Return the expected error at a measured value, and its standard deviation."""
    offsets = measured - measured.mean()
    squares, product = float(offsets @ offsets), float(offsets @ (error - error.mean()))
    free = error - error.mean() - (product / squares if squares > 0 else 0.0) * offsets
    scatter = float(free @ free) / (len(error) - 2)
    prior = scatter / SLOPE**2 + 1e-12
    slope = product / (squares + prior)
    rest = error - error.mean() - slope * offsets
    variance = float(rest @ rest) / (len(error) - 1)
    away = value - measured.mean()
    of_slope = variance / (squares + prior)
    # A single volume like a twin: residual scatter counts in full.
    spread = variance * (1 + 1 / len(error)) + of_slope * away**2
    return float(error.mean() + slope * away), math.sqrt(spread)


def _solid(labels: Labels) -> np.ndarray:
    return (np.asarray(labels.data) == 1).astype(np.uint8)
