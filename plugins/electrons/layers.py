"""Electrons that leave a film over bulk, with the same transport as for voxels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fibcore.materials import Material

from .elastic import ElasticModel
from .electron import Detector, make_beam
from .emission import SecondaryEmission
from .lattice import BELOW_FILL, PERIODIC, Lattice, int32s
from .medium import build_tables
from .secondary import emissions_of, make_secondary
from .stopping import EnergyLossModel
from .tally import DEPTH_UNIT_NM, empty_tally

WIDTH_NM = 1e5
BINS = 100


@dataclass(frozen=True)
class Yield:
    """Electrons that leave layers.

    Attributes:
        electrons: number of incident electrons.
        counts: number of backscattered electrons.
        energies: histogram of their energy over the beam energy, `BINS` bins from 0 to 1.
        cosines: histogram of the cosine of their angle to the surface normal (at a tilt, to the
            direction back along the beam), `BINS` bins from 0 to 1.
        mean_depth_nm: mean of the largest depth they reached.
        secondary: number of secondary electrons that leave the face.
    """

    electrons: int
    counts: int
    energies: np.ndarray
    cosines: np.ndarray
    mean_depth_nm: float
    secondary: int = 0

    @property
    def delta(self) -> float:
        """Yield of secondary electrons, per incident electron."""
        return self.secondary / self.electrons

    @property
    def eta(self) -> float:
        """Backscatter coefficient: the backscattered fraction, 0 to 1."""
        return self.counts / self.electrons

    @property
    def standard_error(self) -> float:
        """Standard deviation of eta, of the binomial law: sqrt(eta (1 - eta) / electrons)."""
        return float(np.sqrt(self.eta * (1.0 - self.eta) / self.electrons))


def layered_yield(
    film: Material,
    bulk: Material,
    thickness_nm: float,
    energy_kev: float,
    electrons: int,
    *,
    seed: int,
    elastic: ElasticModel = "mott",
    energy_loss: EnergyLossModel = "joy_luo",
    atomic_electrons: bool = False,
    cutoff_ev: float = 50.0,
    tilt_deg: float = 0.0,
    emissions: Mapping[str, SecondaryEmission] | None = None,
    dtype: Any = np.float32,
) -> Yield:
    """Return the electrons that leave a flat film over a bulk.

    Args:
        film: material of the film.
        bulk: material below it.
        thickness_nm: thickness of the film, nm; 0 for the bare bulk.
        energy_kev: beam energy, keV.
        electrons: number of incident electrons.
        seed: of the random numbers, 0 to 2^64 - 1; the result does not depend on work that runs at
            the same time.
        elastic: cross sections of elastic scattering.
        energy_loss: stopping power.
        atomic_electrons: whether collisions with single electrons of the atoms deflect, too.
        cutoff_ev: energy below which an electron is dropped, eV.
        tilt_deg: angle between beam and surface normal, degrees, below 90.
        emissions: emission of secondary electrons by the name of a material; of others by rules
            (`emission.emission_of`). None: no secondary electrons, which are then 0.
        dtype: float32 or float64.
    """
    from .batch import image_pixels
    from .lanes import empty_lanes

    media = (film, bulk) if thickness_nm > 0 and film != bulk else (bulk,)
    tables = build_tables(
        media,
        energy_kev,
        elastic=elastic,
        energy_loss=energy_loss,
        atomic_electrons=atomic_electrons,
        cutoff_ev=cutoff_ev,
        dtype=dtype,
    )
    size = np.array([thickness_nm if len(media) == 2 else 1.0, WIDTH_NM, WIDTH_NM])
    lattice = Lattice(
        voxels=np.zeros(1, np.uint8),
        shape=int32s((1, 1, 1)),
        medium_bits=1,
        size_nm=size.astype(dtype),
        per_nm=(1.0 / size).astype(dtype),
        lateral=PERIODIC,
        below=BELOW_FILL,
        fill=len(media) - 1,
    )
    secondary = None
    if emissions is not None:
        secondary = make_secondary(emissions_of(media, emissions), tables, energy_kev, cutoff_ev)
    detectors = (Detector(), Detector(None, secondary_polar_deg=(0.0, 180.0)))
    tally = empty_tally(1, BINS, len(detectors))
    image_pixels(
        np.uint64(seed),
        np.zeros((1, 3), np.int32),
        np.zeros(1, np.int64),
        electrons,
        lattice,
        tables,
        make_beam(
            energy_kev, cutoff_ev=cutoff_ev, tilt_deg=tilt_deg, detectors=detectors, dtype=dtype
        ),
        secondary,
        tally,
        empty_lanes(dtype),
    )
    counts, made = (int(count) for count in tally.counts[0])
    depth = float(tally.depths[0, 0]) * DEPTH_UNIT_NM / max(counts, 1)
    return Yield(electrons, counts, tally.energies, tally.cosines, depth, made)
