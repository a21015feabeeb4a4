"""The weighted projection of structures with open pores, in which nothing hides what lies below.

Electrons reach the ground of a pore as they reach the face, but only those leave that are scattered
back into the solid angle of its opening. With the share S of all directions, weighted by their
cosine, in which the way out is free, the yield of the ground is

    eta S / (1 - eta' (1 - S)),

with eta' the yield of walls for electrons from all directions: what meets a wall is scattered once
more, and leaves with the same share (A. J. Stewart and M. S. Langer, IEEE Trans. Pattern Anal.
Mach. Intell. 19 (1997) 962, who derive it for light in hollows). eta' is the cosine-weighted mean
of eta(theta) = (1 + cos theta)^(-p), with p such that eta(0) is the yield at normal incidence
(L. J. Arnal, P. Verdier and P.-D. Vincensini, C. R. Acad. Sci. Paris 268 (1969) 1526).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from fib_plugins.backscatter.electron_range import kanaya_okayama_range_nm
from fib_plugins.backscatter.shipped_table import ALUMINIUM, shipped_lookup
from fib_plugins.threads import in_threads
from fibcore import Context, Material
from fibcore.materials import EPOXY

AZIMUTHS, POLAR = 8, 5
"""Directions of rays: so many around the beam, at so many angles to it, all of equal weight."""
STEPS = 64
"""Steps of matter in which yields from below are known, down to half the range of electrons."""
ESCAPE = 0.2
"""Distance, as a share of the range, at which 1/e of the electrons leaves through an open wall."""
LEAST_SHARE = 0.02
MOST_PIXELS = 8
STATE_BYTES = 2 * AZIMUTHS * POLAR + 8
"""Memory of a pixel of a slice while rays are followed."""


def slopes(voxel_size_nm: Sequence[float]) -> np.ndarray:
    """Return the pixels that rays move per slice upwards, (direction, 2): y, x."""
    z, y, x = voxel_size_nm
    found = []
    for polar in range(POLAR):
        squared = (polar + 0.5) / POLAR  # equal parts of sin^2 have equal weight
        tangent = math.sqrt(squared / (1.0 - squared))
        for number in range(AZIMUTHS):
            azimuth = 2.0 * math.pi * (number + 0.25 + 0.5 * (polar % 2)) / AZIMUTHS
            found.append((tangent * math.sin(azimuth) * z / y, tangent * math.cos(azimuth) * z / x))
    return np.array(found)


def from_all_directions(eta: np.ndarray) -> np.ndarray:
    """Return the yield for electrons from all directions, weighted by their cosine.

    Args:
        eta: yield at normal incidence, 0 to 1.
    """
    nodes, weights = np.polynomial.legendre.leggauss(32)
    cosine, weights = 0.5 * (nodes + 1.0), 0.5 * weights
    power = -np.log2(np.clip(eta, 1e-12, 1.0))[..., np.newaxis]
    mean = 2.0 * np.sum(weights * cosine * (1.0 + cosine) ** -power, axis=-1)
    return np.where(eta > 0, mean, 0.0)


class Yields:
    """Yields of the phases of a structure, by the matter above them.

    Attributes:
        parts: float32 yield of what lies below so many steps of matter, (channel, 256, step).
        spent: float32 steps in one slice of each phase, (channel, 256).
        walls: float32 share of electrons that leave through a wall that is 0, 1, ... pixels away,
            (channel, 256 phases, 2, pixel): along y and x.
        oblique: float32 yield for electrons from all directions, by 256 times the yield for those
            along the beam.

    Args:
        phases: materials by number.
        eta: yield of each phase at the face, (256, channel).
        energies_kev: energy of each channel.
        voxel_size_nm: (z, y, x).
        asked: identifier of the physics plugin, for warnings.
        first_only: whether the first slice of solid counts as all that lies below it.
    """

    def __init__(
        self,
        phases: Mapping[int, Material],
        eta: np.ndarray,
        energies_kev: Sequence[float],
        voxel_size_nm: Sequence[float],
        asked: str,
        *,
        first_only: bool,
    ) -> None:
        table, channels = shipped_lookup(asked), len(energies_kev)
        self.parts = np.zeros((channels, 256, STEPS + 1), np.float32)
        self.spent = np.zeros((channels, 256), np.float32)
        lengths = np.zeros((channels, 256))
        for channel, energy in enumerate(energies_kev):
            reach = 0.5 * float(kanaya_okayama_range_nm(EPOXY, energy))
            depth = np.linspace(0.0, reach, STEPS + 1)
            for phase, material in phases.items():
                if not phase or not material.composition:
                    continue
                light = material.mean_atomic_number < ALUMINIUM.mean_atomic_number
                seen = ALUMINIUM if light else material
                curve = table.at(seen, np.full(depth.shape, energy), depth)
                curve = np.maximum.accumulate(curve[0] - curve)
                hidden = np.clip(curve / curve[-1], 0.0, 1.0)
                self.parts[channel, phase] = eta[phase, channel] * (1.0 - hidden)
                own = float(kanaya_okayama_range_nm(material, energy))
                self.spent[channel, phase] = voxel_size_nm[0] / (0.5 * own) * STEPS
                lengths[channel, phase] = ESCAPE * own
        if first_only:
            self.spent[self.spent > 0] = STEPS
        self.walls = _walls(lengths, voxel_size_nm)
        self.oblique = from_all_directions(np.linspace(0.0, 1.0, 257)).astype(np.float32)


def _walls(lengths: np.ndarray, voxel_size_nm: Sequence[float]) -> np.ndarray:
    """Return the mean over a pixel of exp(-distance / length), (..., 2, pixel)."""
    pixel = np.array(voxel_size_nm[1:])[:, np.newaxis] / np.maximum(
        lengths[..., np.newaxis, np.newaxis], 1e-6
    )
    share = np.exp(-pixel * np.arange(MOST_PIXELS)) * -np.expm1(-pixel) / pixel
    share[lengths == 0] = 0.0
    wanted = np.count_nonzero(np.any(share > LEAST_SHARE, axis=tuple(range(share.ndim - 1))))
    return np.ascontiguousarray(share[..., : max(1, wanted)], dtype=np.float32)


def image_open_pores(
    planes: Callable[[int, int], np.ndarray],
    yields: Yields,
    voxel_size_nm: Sequence[float],
    images: np.ndarray,
    context: Context,
    slices: int,
    done: Callable[[int], None],
) -> None:
    """Set the yields of all slices, from the first one downwards.

    Args:
        planes: returns the phases of slices from one number to another, uint8 (slice, y, x), also
            below the structure.
        yields: yields of its phases.
        voxel_size_nm: (z, y, x).
        images: float32 result, (channel, z, y, x).
        context: threads, and progress.
        slices: slices that count below the first solid one.
        done: called with the number of slices whose image is complete.
    """
    from fib_plugins.simulators.open_pore_kernels import MOST_SLICES

    _, depth, height, width = images.shape
    slope = slopes(voxel_size_nm)
    above = np.full((len(slope), height, width), 255, np.uint8)
    own = np.empty_like(above)
    open_slices = np.zeros((height, width), np.int32)
    bands = np.linspace(0, height, min(height, 4 * context.threads) + 1).astype(int)
    rows = list(zip(bands[:-1].tolist(), bands[1:].tolist(), strict=True))
    window = planes(0, slices)
    for z in range(depth + MOST_SLICES):
        if z:
            window[:-1] = window[1:]
            window[-1:] = planes(z + slices - 1, z + slices)
        if z >= depth and not np.any(open_slices > z - depth):
            break
        shifts = np.rint(slope * (z - 1)).astype(int) - np.rint(slope * z).astype(int)

        work = partial(_slice, window, (above, own), open_slices, yields, images, z, shifts)
        in_threads(work, rows, context.threads)
        above, own = own, above
        done(min(z + 1, depth))


def _slice(
    window: np.ndarray,
    passed: tuple[np.ndarray, np.ndarray],
    open_slices: np.ndarray,
    yields: Yields,
    images: np.ndarray,
    z: int,
    shifts: np.ndarray,
    rows: tuple[int, int],
) -> None:
    """Do some rows of a slice: its yields, then the rays that pass it."""
    from fib_plugins.simulators.open_pore_kernels import light, pass_slice

    above, own = passed
    curves = (yields.parts, yields.spent, yields.oblique, yields.walls)
    light(window, above, open_slices, *curves, images, z, rows)
    pass_slice(window[0], above, own, shifts, rows)
