"""Elastic scattering of electrons by atoms: cross sections and angles.

Three models: ``mott`` (tabulated partial-wave cross sections, the best), ``browning`` (a closed
form fitted to such) and ``rutherford`` (screened, Born approximation); each module has its source.
Angles are given as mu = (1 - cos theta) / 2, which is 0 forwards, 1 backwards, and uniform for
isotropic scattering.

The electrons of an atom deflect as well, in collisions whose energy loss is part of the stopping
power; ``electrons=True`` adds them to any model (`electron_electron`).
"""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from fibcore.errors import FibError

from . import browning, electron_electron, mott, rutherford

ElasticModel = Literal["mott", "browning", "rutherford"]

ENERGY_RANGE_EV = (50.0, 30_000.0)
"""Energies that every model covers, eV."""

_MODELS: dict[str, ModuleType] = {"mott": mott, "browning": browning, "rutherford": rutherford}


def total_cross_section_cm2(
    model: ElasticModel, atomic_number: int, energy_ev: ArrayLike, *, electrons: bool = False
) -> np.ndarray:
    """Return the total elastic cross section of one atom, cm2, of the shape of `energy_ev`.

    Args:
        model: name of the model.
        atomic_number: Z, 1 to 92.
        energy_ev: kinetic energy in eV, within `ENERGY_RANGE_EV`; any shape.
        electrons: add what the atom's electrons deflect, see `electron_electron`.

    Raises:
        FibError: an unknown model, element or an energy out of range.
    """
    energy = _checked(model, atomic_number, energy_ev)
    return _sum(part.total_cm2(atomic_number, energy) for part in _parts(model, electrons))


def transport_cross_section_cm2(
    model: ElasticModel, atomic_number: int, energy_ev: ArrayLike, *, electrons: bool = False
) -> np.ndarray:
    """Return the transport cross section, cm2: the total times the mean of 1 - cos theta.

    Arguments and errors as of `total_cross_section_cm2`.
    """
    energy = _checked(model, atomic_number, energy_ev)
    return _sum(
        part.total_cm2(atomic_number, energy) * 2.0 * part.mean_mu(atomic_number, energy)
        for part in _parts(model, electrons)
    )


def differential_cross_section_cm2_per_sr(
    model: ElasticModel,
    atomic_number: int,
    energy_ev: float,
    theta_deg: ArrayLike,
    *,
    electrons: bool = False,
) -> np.ndarray:
    """Return the differential cross section, cm2/sr, of the shape of `theta_deg`.

    Args:
        model: name of the model.
        atomic_number: Z, 1 to 92.
        energy_ev: one kinetic energy in eV, within `ENERGY_RANGE_EV`.
        theta_deg: scattering angle, 0 to 180 degrees; any shape.
        electrons: add what the atom's electrons deflect, see `electron_electron`.

    Raises:
        FibError: as of `total_cross_section_cm2`.
    """
    energy = float(_checked(model, atomic_number, energy_ev))
    mu = np.sin(np.radians(np.asarray(theta_deg, dtype=np.float64)) / 2.0) ** 2
    return _sum(
        part.total_cm2(atomic_number, np.asarray(energy))
        * part.density(atomic_number, energy, mu)
        / (4.0 * np.pi)
        for part in _parts(model, electrons)
    )


def angular_cumulative(
    model: ElasticModel,
    atomic_number: int,
    energy_ev: float,
    mu: ArrayLike,
    *,
    electrons: bool = False,
) -> np.ndarray:
    """Return the fraction of elastic scatterings that turn an electron by less than mu.

    Args:
        model: name of the model.
        atomic_number: Z, 1 to 92.
        energy_ev: one kinetic energy in eV, within `ENERGY_RANGE_EV`.
        mu: (1 - cos theta) / 2, 0 to 1; any shape.
        electrons: add what the atom's electrons deflect, see `electron_electron`.

    Returns:
        Cumulative distribution, 0 at mu = 0 and 1 at mu = 1, of the shape of `mu`.

    Raises:
        FibError: as of `total_cross_section_cm2`.
    """
    energy = float(_checked(model, atomic_number, energy_ev))
    mu = np.asarray(mu, dtype=np.float64)
    parts = _parts(model, electrons)
    totals = [part.total_cm2(atomic_number, np.asarray(energy)) for part in parts]
    mixture = _sum(
        total * part.cumulative(atomic_number, energy, mu)
        for total, part in zip(totals, parts, strict=True)
    )
    return mixture / _sum(totals)


def _sum(terms: Iterable[np.ndarray]) -> np.ndarray:
    return np.asarray(sum(terms))


def _parts(model: str, electrons: bool) -> list[ModuleType]:
    return [_MODELS[model], electron_electron] if electrons else [_MODELS[model]]


def _checked(model: str, atomic_number: int, energy_ev: ArrayLike) -> np.ndarray:
    if model not in _MODELS:
        raise FibError(f"elastic model {model!r}: give one of {', '.join(get_args(ElasticModel))}")
    if not 1 <= atomic_number <= 92:
        raise FibError(f"atomic number {atomic_number}: cross sections are for Z = 1 to 92")
    energy = np.asarray(energy_ev, dtype=np.float64)
    low, high = ENERGY_RANGE_EV
    inside = np.clip(energy, low, high)
    wrong = energy[~np.isclose(energy, inside, rtol=1e-9, atol=0.0)]  # accepts exp(log(50))
    if wrong.size:
        raise FibError(
            f"energy {wrong.flat[0]:g} eV: cross sections are for {low:g} to {high:g} eV"
        )
    return inside
