"""Curves of eta over depth at several energies, interpolated between depths and energies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np

from fib_plugins.backscatter.electron_range import ENERGY_EXPONENT

Curve = Callable[[np.ndarray], np.ndarray]
"""Eta, or a difference of etas, at depths in nm."""


class DepthCurves:
    """Eta of one material, known at some depths for each of some energies.

    Curves of two energies are similar at depths that are the same fraction of the electron range:
    at d and at d (E' / E)^1.67 (range after Kanaya and Okayama, see `electron_range`).

    **Between energies**, both neighbours' curves are evaluated at the corresponding depth, and the
    result is linear in log E. **Between depths**, the difference to the curve of the next higher
    energy is interpolated, which has more points per range: steps of 10 nm are fine at 4 keV, but
    at 1 keV eta falls to half within one. The difference, and the curve of the highest energy, are
    interpolated by a monotone cubic (PCHIP; F. N. Fritsch and R. E. Carlson, SIAM J. Numer. Anal.
    17 (1980) 238). At known points the result is the known value; before the first and beyond the
    last depth, below the lowest and above the highest energy, it is the nearest value.

    Args:
        energies_kev: ascending.
        depths_nm: depths of each energy, ascending.
        etas: eta at those depths.
    """

    def __init__(
        self, energies_kev: np.ndarray, depths_nm: list[np.ndarray], etas: list[np.ndarray]
    ) -> None:
        self.energies_kev, self.depths_nm = energies_kev, depths_nm
        self._pieces: dict[int, Curve] = {}
        """For each energy the difference to the next higher one; for the highest, its curve."""
        last = len(energies_kev) - 1
        for number in range(last, -1, -1):
            nodes, eta = depths_nm[number], etas[number]
            if number < last:
                eta = eta - self._curve(number + 1, self._stretch(number) * nodes)
            self._pieces[number] = _monotone(nodes, eta)

    @classmethod
    def of(cls, energy_kev: np.ndarray, depth_nm: np.ndarray, eta: np.ndarray) -> Self:
        """Return the curves through points in any order; each array has one entry per point."""
        energies = np.unique(energy_kev)
        points = [np.flatnonzero(energy_kev == energy) for energy in energies]
        points = [rows[np.argsort(depth_nm[rows])] for rows in points]
        return cls(energies, [depth_nm[rows] for rows in points], [eta[rows] for rows in points])

    def at(self, energy_kev: np.ndarray, depth_nm: np.ndarray) -> np.ndarray:
        """Return eta, 0 to 1, at energies and depths of the same shape."""
        eta = np.zeros(energy_kev.shape)
        last = len(self.energies_kev) - 1
        place = np.interp(np.log(energy_kev), np.log(self.energies_kev), np.arange(last + 1))
        for number, energy in enumerate(self.energies_kev):
            share = np.maximum(1.0 - np.abs(place - number), 0.0)
            if np.any(share):
                alike = depth_nm * (energy / energy_kev) ** ENERGY_EXPONENT
                eta += share * self._curve(number, alike)
        return np.clip(eta, 0.0, 1.0)

    def _curve(self, number: int, depth_nm: np.ndarray) -> np.ndarray:
        """Return the values of the curve of an energy at depths."""
        nodes = self.depths_nm[number]
        inside = np.clip(depth_nm, nodes[0], nodes[-1])
        found = self._pieces[number](inside)
        if number < len(self.energies_kev) - 1:
            found = self._curve(number + 1, self._stretch(number) * inside) + found
        return found

    def _stretch(self, number: int) -> float:
        """Return the ratio of the range at the next higher energy to that at this one."""
        pair = self.energies_kev[number : number + 2]
        return float((pair[1] / pair[0]) ** ENERGY_EXPONENT)


def _monotone(nodes: np.ndarray, values: np.ndarray) -> Curve:
    from scipy.interpolate import PchipInterpolator

    if len(nodes) == 1:
        return lambda places: np.full(places.shape, values[0])
    return PchipInterpolator(nodes, values)
