"""The Cahn-Hilliard equation in a periodic box: how a mixture decomposes and coarsens.

dc/dt = laplacian(c^3 - c - kappa laplacian(c)) for the concentration c, with the equilibrium
phases c = -1 and c = 1 (Cahn, Acta Metall. 9 (1961) 795; Cahn, J. Chem. Phys. 42 (1965) 93).
Lengths are in cells of the grid, times in units of the equation.

Steps are semi-implicit in Fourier space (Zhu, Chen, Shen, Tikare, Phys. Rev. E 60 (1999) 3564),
with a linear term A c on both sides that makes them stable for any length of step (Eyre, MRS Proc.
529 (1998) 39):

    c' = [c - dt k^2 (FT(c^3 - c) - A c)] / [1 + dt k^2 (A + kappa k^2)]
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fib_plugins.compiled import compiled
from fib_plugins.threads import in_threads
from fibcore.context import Context
from fibcore.errors import FibError

KAPPA = 0.5
"""An interface then is 2.2 cells wide, from 10 to 90 %."""
SPLIT = 1.25
"""A of the equation above; at least half the largest second derivative of the free energy, which is
1 for |c| = 1 and 1.2 at the overshoot of about 1.06 that occurs."""
FIRST_STEP = 1.0
STEP_PER_RATE = 0.5
"""Length of a step, in units of 1 / (A k^2) at the mean wave number k: longer ones slow the slow
modes down artificially."""
FIRST_NOISE = 0.1
"""Standard deviation of the first concentration."""
CHECKED_EVERY = 5
MOST_STEPS = 20_000


def first_wavelength(mean: float) -> float:
    """Return the wavelength that grows fastest at first, in cells, for a mean concentration.

    Cahn (1965): k^2 = -f'' / (2 kappa), with f'' = 3 c^2 - 1.
    """
    return 2 * math.pi * math.sqrt(2 * KAPPA / (1 - 3 * mean**2))


@dataclass(frozen=True, eq=False)
class Coarsened:
    """A concentration at the end of a coarsening, and its history.

    Attributes:
        concentration: float32 (z, y, x).
        times: of the history.
        wavelengths: at these times, in cells.
    """

    concentration: np.ndarray
    times: np.ndarray
    wavelengths: np.ndarray


def coarsened(
    shape: tuple[int, int, int],
    spacing: Sequence[float],
    mean: float,
    wavelength: float,
    rng: np.random.Generator,
    context: Context,
) -> Coarsened:
    """Return a concentration that has coarsened up to a wavelength.

    Args:
        shape: cells (z, y, x).
        spacing: length of a cell along (z, y, x), at most 1 and about 1.
        mean: mean concentration.
        wavelength: at which it ends, see `mean_wave_number`.
        rng: random generator of the first concentration.
        context: threads and progress.

    Raises:
        FibError: the wavelength is not reached.
    """
    from scipy import fft

    def transformed(values: np.ndarray) -> np.ndarray:
        return np.asarray(fft.rfftn(values, workers=context.threads, overwrite_x=True))

    solver = _Solver(shape, spacing, context)
    concentration = rng.standard_normal(shape, np.float32)
    concentration *= np.float32(FIRST_NOISE)
    concentration += np.float32(mean)
    waves = transformed(concentration.copy())
    force = np.empty(shape, np.float32)
    time, step, wave_number = 0.0, FIRST_STEP, 2 * math.pi / first_wavelength(mean)
    times: list[float] = []
    found: list[float] = []
    for number in range(1, MOST_STEPS):
        solver.force(concentration, force)
        solver.advance(waves, transformed(force), step)
        concentration = fft.irfftn(waves, s=shape, workers=context.threads)
        time += step
        near = bool(found) and found[-1] > 0.98 * wavelength
        if number % CHECKED_EVERY and not near:
            continue
        wave_number = solver.mean_wave_number(waves)
        times.append(time)
        found.append(2 * math.pi / wave_number)
        step = max(FIRST_STEP, STEP_PER_RATE / (SPLIT * wave_number**2))
        # Wavelengths grow as the cube root of time: progress is linear in the cube.
        context.progress(min(1.0, (found[-1] / wavelength) ** 3), 1.0, "coarsening")
        if found[-1] >= wavelength and concentration.std() > SEPARATED * (1 - mean**2) ** 0.5:
            return Coarsened(concentration, np.array(times), np.array(found))
    raise FibError(
        f"the structure has not coarsened to {wavelength:.3g} cells in {MOST_STEPS} steps; use a "
        f"smaller `coarsening`"
    )


SEPARATED = 0.5
"""Standard deviation of the concentration, relative to that of sharp phases, above which phases
have formed."""


class _Solver:
    """The work of one step, in threads over planes."""

    def __init__(
        self, shape: tuple[int, int, int], spacing: Sequence[float], context: Context
    ) -> None:
        z, y = (
            2 * np.pi * np.fft.fftfreq(n, a) for n, a in zip(shape[:2], spacing[:2], strict=True)
        )
        x = 2 * np.pi * np.fft.rfftfreq(shape[2], spacing[2])
        self._squares = [np.square(each).astype(np.float32) for each in (z, y, x)]
        edges = [n * a for n, a in zip(shape, spacing, strict=True)]
        self._width = 2 * np.pi / min(edges)
        self._shells = 2 + int(
            math.sqrt(sum(float(k2.max()) for k2 in self._squares)) / self._width
        )
        planes = np.linspace(0, shape[0], min(shape[0], PARTS) + 1).astype(int).tolist()
        self._parts = list(pairwise(planes))
        self._threads = context.threads

    def force(self, concentration: np.ndarray, force: np.ndarray) -> None:
        """Write c^3 - c."""
        in_threads(lambda part: _force(concentration, force, *part), self._parts, self._threads)

    def advance(self, waves: np.ndarray, force: np.ndarray, step: float) -> None:
        """Take one step, in place."""
        numbers = np.float32(step), np.float32(SPLIT), np.float32(KAPPA)
        in_threads(
            lambda part: _advance(waves, force, *self._squares, *part, *numbers),
            self._parts,
            self._threads,
        )

    def mean_wave_number(self, waves: np.ndarray) -> float:
        """Return sum(k S^2) / sum(S^2) over shells, near the maximum of the structure factor S(k).

        Squares give weight to the maximum, and not to the tail of sharp interfaces.
        """

        def sums(part: tuple[int, int]) -> np.ndarray:
            found = np.zeros((3, self._shells))
            _add_shells(waves, *self._squares, *part, self._width, found)
            return found

        power, lengths, counts = np.sum(in_threads(sums, self._parts, self._threads), axis=0)
        full = counts > 0
        factor = power[full] / counts[full]
        return float(np.sum(factor**2 * lengths[full] / counts[full]) / np.sum(factor**2))


PARTS = 64
"""Parts of the work of a step; their sums are added in this order, with any number of threads."""


@compiled
def _force(concentration, force, start, stop):  # type: ignore[no-untyped-def]
    for z in range(start, stop):
        for y in range(concentration.shape[1]):
            for x in range(concentration.shape[2]):
                c = concentration[z, y, x]
                force[z, y, x] = c * (c * c - np.float32(1))


@compiled
def _advance(waves, force, z2, y2, x2, start, stop, step, split, kappa):  # type: ignore[no-untyped-def]
    one = np.float32(1)
    for z in range(start, stop):
        for y in range(waves.shape[1]):
            for x in range(waves.shape[2]):
                k2 = z2[z] + y2[y] + x2[x]
                change = step * k2
                old = waves[z, y, x]
                new = old - change * (force[z, y, x] - split * old)
                waves[z, y, x] = new * (one / (one + change * (split + kappa * k2)))


@compiled
def _add_shells(waves, z2, y2, x2, start, stop, width, found):  # type: ignore[no-untyped-def]
    for z in range(start, stop):
        for y in range(waves.shape[1]):
            for x in range(waves.shape[2]):
                k = np.sqrt(z2[z] + y2[y] + x2[x])
                if k > 0:
                    shell = int(k / width)
                    wave = waves[z, y, x]
                    found[0, shell] += wave.real * wave.real + wave.imag * wave.imag
                    found[1, shell] += k
                    found[2, shell] += 1
