"""Mott scattering: tabulated relativistic partial-wave cross sections of neutral atoms, Z = 1..92.

Computed with ELSEPA (F. Salvat, A. Jablonski, C. J. Powell, Comput. Phys. Commun. 165 (2005) 157):
Fermi nuclear charge, Dirac-Fock electron density, Furness-McCarthy exchange, no polarisation and no
absorption; 66 energies from 50 eV to 30 keV, a factor of 1.103 apart, and 606 angles.
`data/mott.npz` holds them compacted by `tools/compact_mott.py`, one array per element, so that one
element loads in milliseconds:

    u(theta) = (mu + SCREENING)^2 d sigma / d Omega,  mu = (1 - cos theta) / 2,

which has neither Rutherford's peak nor its long tail, at `NODES` angles equally spaced in
`angle_variable`, as 16-bit logarithms between the smallest and the largest at each energy. When
read, u is interpolated by a polynomial of degree 5 through the six nearest nodes, evaluated at ten
points per interval; between these, the cross section is linear in mu.

**Error at the tabulated energies**, against the full tables, largest (root mean square) over all Z
and energies: total below 1e-14, transport cross section 6e-4 (2e-4), cumulative distribution 1.4e-4
(1e-5) absolute, probability of more than 90 degrees 4e-4 (1.3e-4).

**Between energies** the logarithm of the total is linear in log E, and cumulative distributions are
mixed linearly in log E: a scattering takes its angle from one of the two neighbouring energies. The
error is estimated as a quarter of the change if every second energy is left out: above 500 eV total
4e-4 (1e-4), transport 1.4e-3 (7e-4), more than 90 degrees 2.4e-3 (1.4e-3); below, where cross
sections have minima in energy, up to 7e-3, 6e-3 and 2e-2.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from fibcore.threads import one_blas_thread

DATA = Path(__file__).parent / "data" / "mott.npz"
SCREENING = 1e-4
NODES = 96
POINTS_PER_INTERVAL = 10
STENCIL = 6
LEVELS = 65535


def angle_variable(theta_deg: np.ndarray) -> np.ndarray:
    """Return the variable in which nodes are equidistant, with finer angles towards 0 degrees."""
    return np.asarray(np.arcsinh(theta_deg / 0.5) + theta_deg / 8.0)


def angles_deg(count: int) -> np.ndarray:
    """Return `count` angles from 0 to 180 degrees, equidistant in `angle_variable`."""
    fine = np.concatenate([[0.0], np.geomspace(1e-4, 180.0, 20_000)])
    x = angle_variable(fine)
    theta = np.interp(np.linspace(0.0, x[-1], count), x, fine)
    for _ in range(3):  # Newton: the variable's derivative is known
        slope = 1.0 / np.sqrt(theta**2 + 0.25) + 0.125
        theta += (np.linspace(0.0, x[-1], count) - angle_variable(theta)) / slope
    theta[[0, -1]] = 0.0, 180.0
    return theta


def mu_of(theta_deg: np.ndarray) -> np.ndarray:
    """Return mu = (1 - cos theta) / 2."""
    return np.asarray(np.sin(np.radians(theta_deg) / 2.0) ** 2)


class MottElement:
    """The cross sections of one element at the tabulated energies.

    Attributes:
        log_energy: natural logarithm of the energies in eV, (energies,).
        log_total: natural logarithm of the totals in cm2, (energies,).
        mu: (1 - cos theta) / 2 of the angles, rising from 0 to 1, (angles,).
        density: probability density of mu, (energies, angles).
        cumulative: its integral from 0, exactly 1 at the end, (energies, angles).
        mean_mu: mean of mu, (energies,).
    """

    @one_blas_thread
    def __init__(self, energy_ev: np.ndarray, total_cm2: np.ndarray, u: np.ndarray) -> None:
        self.log_energy = np.log(energy_ev)
        self.log_total = np.log(total_cm2)
        self.mu, matrix = _fine_grid()
        density = np.maximum(u @ matrix.T, 0.0) / (self.mu + SCREENING) ** 2
        width = np.diff(self.mu)
        parts = (density[:, 1:] + density[:, :-1]) / 2.0 * width
        integral = parts.sum(axis=1, keepdims=True)
        self.density = density / integral
        self.cumulative = np.zeros_like(density)
        np.cumsum(parts / integral, axis=1, out=self.cumulative[:, 1:])
        self.cumulative[:, -1] = 1.0
        low, high = self.density[:, :-1], self.density[:, 1:]
        self.mean_mu = (
            width
            * (low * (2 * self.mu[:-1] + self.mu[1:]) + high * (self.mu[:-1] + 2 * self.mu[1:]))
        ).sum(axis=1) / 6.0

    def between(self, energy_ev: float) -> tuple[int, float]:
        """Return the tabulated energy below, and the share of the one above it."""
        x = np.log(energy_ev)
        below = int(np.clip(np.searchsorted(self.log_energy, x) - 1, 0, self.log_energy.size - 2))
        low, high = self.log_energy[below : below + 2]
        return below, float(np.clip((x - low) / (high - low), 0.0, 1.0))

    def mixed(self, table: np.ndarray, energy_ev: float) -> np.ndarray:
        """Return a row of `density` or `cumulative` at an energy: linear in log E."""
        below, share = self.between(energy_ev)
        return np.asarray((1.0 - share) * table[below] + share * table[below + 1])


@cache
def _fine_grid() -> tuple[np.ndarray, np.ndarray]:
    """Return mu of the fine angles, and the matrix that takes nodes to them."""
    nodes = angle_variable(angles_deg(NODES))
    theta = angles_deg((NODES - 1) * POINTS_PER_INTERVAL + 1)
    x = angle_variable(theta)
    interval = np.clip(np.searchsorted(nodes, x, side="right") - 1, 0, NODES - 2)
    first = np.clip(interval - STENCIL // 2 + 1, 0, NODES - STENCIL)
    stencil = first[:, None] + np.arange(STENCIL)
    near = nodes[stencil]
    matrix = np.zeros((theta.size, NODES))
    for k in range(STENCIL):
        others = np.delete(near, k, axis=1)
        lagrange = np.prod((x[:, None] - others) / (near[:, k : k + 1] - others), axis=1)
        matrix[np.arange(theta.size), stencil[:, k]] = lagrange
    mu = mu_of(theta)
    mu[-1] = 1.0
    return mu, matrix


def compacted(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return 16-bit levels of log u, and the (lowest, highest) log u of each row."""
    log_u = np.log(u)
    ends = np.stack([log_u.min(axis=1), log_u.max(axis=1)], axis=1).astype(np.float32)
    low, high = ends[:, :1].astype(np.float64), ends[:, 1:].astype(np.float64)
    levels = np.round((log_u - low) / (high - low) * LEVELS)
    return np.clip(levels, 0, LEVELS).astype(np.uint16), ends


@cache
def mott(atomic_number: int) -> MottElement:
    """Return the cross sections of an element, read once."""
    with np.load(DATA, allow_pickle=False) as data:
        levels = data[f"levels_{atomic_number:02d}"]
        ends = data["log_ends"][atomic_number - 1].astype(np.float64)
        energy_ev = data["energy_ev"]
        total_cm2 = data["total_cm2"][atomic_number - 1]
    u = np.exp(ends[:, :1] + levels / LEVELS * (ends[:, 1:] - ends[:, :1]))
    return MottElement(energy_ev, total_cm2, u)


def total_cm2(atomic_number: int, energy_ev: np.ndarray) -> np.ndarray:
    """Return the total elastic cross section of one atom, cm2."""
    table = mott(atomic_number)
    return np.exp(np.interp(np.log(energy_ev), table.log_energy, table.log_total))


def mean_mu(atomic_number: int, energy_ev: np.ndarray) -> np.ndarray:
    """Return the mean of mu."""
    table = mott(atomic_number)
    return np.interp(np.log(energy_ev), table.log_energy, table.mean_mu)


def density(atomic_number: int, energy_ev: float, mu: np.ndarray) -> np.ndarray:
    """Return the probability density of mu; its integral over 0 to 1 is 1."""
    table = mott(atomic_number)
    return np.interp(mu, table.mu, table.mixed(table.density, energy_ev))


def cumulative(atomic_number: int, energy_ev: float, mu: np.ndarray) -> np.ndarray:
    """Return the fraction scattered by less than mu: the exact integral of `density`."""
    table = mott(atomic_number)
    p = table.mixed(table.density, energy_ev)
    integral = table.mixed(table.cumulative, energy_ev)
    i = np.clip(np.searchsorted(table.mu, mu, side="right") - 1, 0, table.mu.size - 2)
    step = mu - table.mu[i]
    slope = (p[i + 1] - p[i]) / (table.mu[i + 1] - table.mu[i])
    return np.clip(integral[i] + step * (p[i] + slope * step / 2.0), 0.0, 1.0)
