"""Sets of plane waves: random directions on a sphere, or vectors of a box's reciprocal lattice.

Wave vectors are in rad/nm in the order (z, y, x).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fibcore.errors import FibError

Triple = tuple[float, float, float]

FEWEST_LATTICE_PAIRS = 20
"""Fewest directions for an isotropic structure."""
WIDEST_SHELL = 0.05
"""Largest relative deviation of a lattice vector's length from the given wave number."""
USUAL_SHELL = 0.01
MOST_LATTICE_VECTORS = 100_000


@dataclass(frozen=True, eq=False)
class PlaneWaves:
    """Plane waves cos(q . r + phi).

    Attributes:
        vectors: wave vectors q, shape (waves, 3), rad/nm along (z, y, x).
        phases: phi, shape (waves,), rad.
    """

    vectors: np.ndarray
    phases: np.ndarray

    def __len__(self) -> int:
        return len(self.phases)


def isotropic_waves(
    count: int, wave_number: float, stretch: Triple, rng: np.random.Generator
) -> PlaneWaves:
    """Return waves of one wave number, directions uniform on the sphere, phases uniform.

    Soyarslan et al., Acta Mater. 149 (2018) 326, section 2: random waves after Cahn.

    Args:
        count: number of waves.
        wave_number: |q| before stretching, rad/nm.
        stretch: factor (z, y, x) by which the pattern is stretched; divides the wave vector.
        rng: random generator of directions and phases.
    """
    directions = rng.standard_normal((count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    phases = rng.uniform(0.0, 2 * np.pi, count)
    return PlaneWaves(wave_number * directions / np.asarray(stretch), phases)


def periodic_waves(
    count: int, wave_number: float, box_nm: Triple, stretch: Triple, rng: np.random.Generator
) -> PlaneWaves:
    """Return waves that repeat with the box: vectors drawn from `lattice_vectors`.

    A vector that is drawn several times, each time with its own phase, is one wave of random
    amplitude: the sum stays a Gaussian random field.

    Raises:
        FibError: as `lattice_vectors`.
    """
    vectors = lattice_vectors(wave_number, box_nm, stretch)
    chosen = vectors[rng.integers(0, len(vectors), count)]
    return PlaneWaves(chosen, rng.uniform(0.0, 2 * np.pi, count))


def lattice_vectors(wave_number: float, box_nm: Triple, stretch: Triple) -> np.ndarray:
    """Return the vectors 2 pi (h/Lz, k/Ly, l/Lx) of a box that are as long as the wave number.

    Lengths are those before stretching and may deviate by 1 % (less in a large box, which has many
    vectors). If there are fewer than 20, the 20 nearest within 5 % are used. Of q and -q, which are
    the same wave, one is kept.

    Args:
        wave_number: wanted length, rad/nm, before stretching.
        box_nm: edges (z, y, x) of the box.
        stretch: factor (z, y, x) by which the pattern is stretched.

    Returns:
        Array (vectors, 3), rad/nm along (z, y, x), after stretching.

    Raises:
        FibError: fewer than 20 vectors within 5 %.
    """
    # In the unstretched pattern the box has edges L / stretch, its lattice the spacing below.
    spacing = 2 * np.pi * np.asarray(stretch) / np.asarray(box_nm)
    shell_volume = 4 * np.pi * wave_number**3  # of half-width 1, relative
    expected = 2 * shell_volume / np.prod(spacing)
    width = min(USUAL_SHELL, MOST_LATTICE_VECTORS / expected)
    found = _shell(wave_number, width, spacing)
    if len(found) < FEWEST_LATTICE_PAIRS:
        found = _shell(wave_number, WIDEST_SHELL, spacing)
        if len(found) < FEWEST_LATTICE_PAIRS:
            wavelength = 2 * np.pi / wave_number
            box = " x ".join(f"{edge:g}" for edge in box_nm)
            raise FibError(
                f"periodic: only {len(found)} directions of waves of wavelength {wavelength:.4g} nm"
                f" fit a box of {box} nm, at least {FEWEST_LATTICE_PAIRS} are needed. Use a larger "
                f"`shape` (edges of 5 wavelengths do), a smaller size of ligament or wave, or "
                f"`periodic`: false"
            )
        lengths = np.linalg.norm(found * spacing, axis=1)
        off = np.abs(lengths - wave_number)
        # Vectors of equal length are kept or left out together, to keep the symmetry of the box.
        found = found[off <= np.sort(off)[FEWEST_LATTICE_PAIRS - 1] * (1 + 1e-9)]
    return found * spacing / np.asarray(stretch)


def _shell(wave_number: float, width: float, spacing: np.ndarray) -> np.ndarray:
    """Return integer vectors (one of each +- pair) of length within (1 +- width) wave_number."""
    inner, outer = (1 - width) * wave_number, (1 + width) * wave_number
    most = np.floor(outer / spacing).astype(int)
    h, k = np.meshgrid(np.arange(0, most[0] + 1), np.arange(-most[1], most[1] + 1), indexing="ij")
    across = (h * spacing[0]) ** 2 + (k * spacing[1]) ** 2
    h, k, across = (a[across <= outer**2] for a in (h, k, across))
    # For each (h, k), the runs of l >= 0 between the two spheres.
    last = np.floor(np.sqrt(outer**2 - across) / spacing[2]).astype(int)
    first = np.ceil(np.sqrt(np.maximum(inner**2 - across, 0)) / spacing[2]).astype(int)
    runs = np.maximum(last - first + 1, 0)
    row = np.repeat(np.arange(len(h)), runs)
    step = np.arange(len(row)) - np.repeat(np.cumsum(runs) - runs, runs)
    positive = np.stack([h[row], k[row], first[row] + step], axis=1)
    negative = positive[positive[:, 2] > 0] * (1, 1, -1)
    both = np.concatenate([positive, negative])
    z, y, x = both.T
    return both[(z > 0) | ((z == 0) & ((y > 0) | ((y == 0) & (x > 0))))]
