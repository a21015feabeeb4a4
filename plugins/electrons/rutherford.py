"""Screened Rutherford scattering in the form of Joy (1995).

D. C. Joy, Monte Carlo Modeling for Electron Microscopy and Microanalysis, Oxford University Press
(1995), chapter 3: a Yukawa-screened Coulomb field in the first Born approximation, with the
screening parameter of H. E. Bishop (in: Use of Monte Carlo Calculations in Electron Probe
Microanalysis and Scanning Electron Microscopy, NBS Special Publication 460 (1976) 5). E in keV:

    alpha = 3.4e-3 Z^0.67 / E
    d sigma / d Omega = 5.21e-21 cm2 (Z / E)^2 ((E + 511) / (E + 1024))^2 / (mu + alpha)^2

with mu = (1 - cos theta) / 2. The first factor is e^4 / 4 in keV2 cm2 (5.18e-21) and the second
the relativistic one, 511 keV the electron's rest energy; for mu >> alpha this is Rutherford's
formula.

For light elements at high energies: carbon's transport cross section is within 6 % of Mott's from 1
to 30 keV. Heavy elements scatter less than predicted: gold by a factor of 1.5 at 20 keV, 5 at 1.
"""

from __future__ import annotations

import numpy as np

COULOMB_KEV2_CM2 = 5.21e-21
REST_ENERGY_KEV = 511.0


def screening(atomic_number: int, energy_ev: np.ndarray) -> np.ndarray:
    """Return alpha, the value of mu to which screening reaches."""
    return np.asarray(3.4 * atomic_number**0.67 / energy_ev)


def screened_cumulative(alpha: float | np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Return the fraction scattered by less than mu under 1 / (mu + alpha)^2."""
    return np.asarray(mu * (1.0 + alpha) / (mu + alpha))


def screened_density(alpha: float | np.ndarray, mu: np.ndarray) -> np.ndarray:
    """Return the derivative of `screened_cumulative` by mu."""
    return np.asarray(alpha * (1.0 + alpha) / (mu + alpha) ** 2)


def screened_mean(alpha: float | np.ndarray) -> np.ndarray:
    """Return the mean of mu under `screened_density`."""
    return np.asarray(alpha * ((1.0 + alpha) * np.log1p(1.0 / alpha) - 1.0))


def total_cm2(atomic_number: int, energy_ev: np.ndarray) -> np.ndarray:
    """Return the total elastic cross section of one atom, cm2."""
    kev = energy_ev / 1000.0
    alpha = screening(atomic_number, energy_ev)
    relativity = ((kev + REST_ENERGY_KEV) / (kev + 1024.0)) ** 2
    coulomb = COULOMB_KEV2_CM2 * (atomic_number / kev) ** 2 * relativity
    return np.asarray(coulomb * 4.0 * np.pi / (alpha * (1.0 + alpha)))


def cumulative(atomic_number: int, energy_ev: float, mu: np.ndarray) -> np.ndarray:
    """Return the fraction scattered by less than mu."""
    return screened_cumulative(screening(atomic_number, np.asarray(energy_ev)), mu)


def density(atomic_number: int, energy_ev: float, mu: np.ndarray) -> np.ndarray:
    """Return the probability density of mu; its integral over 0 to 1 is 1."""
    return screened_density(screening(atomic_number, np.asarray(energy_ev)), mu)


def mean_mu(atomic_number: int, energy_ev: np.ndarray) -> np.ndarray:
    """Return the mean of mu."""
    return screened_mean(screening(atomic_number, energy_ev))
