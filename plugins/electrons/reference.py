"""Reference implementation of the Monte Carlo: simple, slow, in double precision, for tests.

It shares only cross sections and stopping powers with the fast one. Straight flights of -ln(u) mean
free paths end at a collision or at the next boundary, beyond which a new one is drawn. There are no
tables of ranges, no optical depths, and no rejection of electrons that cannot return.

Model: single elastic scattering and continuous slowing down (D. C. Joy, Monte Carlo Modeling for
Electron Microscopy and Microanalysis, Oxford 1995, chapter 3, with Mott cross sections instead of
screened Rutherford ones).
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple, Self

import numpy as np

from fibcore.elements import elements
from fibcore.materials import Material

from .elastic import ENERGY_RANGE_EV, ElasticModel, angular_cumulative, total_cross_section_cm2
from .reference_transport import Electrons, Grid, Media, Rule, follow
from .stopping import EnergyLossModel, stopping_power_ev_per_nm

Step = Literal["euler", "midpoint", "fine"]
"""How energy is lost along a flight: with the stopping power at its start; with that half-way; or
half-way in flights so short that none loses more than 0.5 %, which converges to the exact result
both for the loss and for the changing mean free path."""

RULES: dict[Step, Rule] = {
    "euler": Rule(0.0, math.inf),
    "midpoint": Rule(0.5, math.inf),
    "fine": Rule(0.5, 0.005),
}
AVOGADRO = 6.02214076e23
CHUNK = 5000
"""Number of electrons that share a random stream."""


class Sample(NamedTuple):
    """The target of the electrons: materials and their places.

    Attributes:
        materials: materials of the numbers in ``grid.phases``.
        grid: boxes of material.
    """

    materials: tuple[Material, ...]
    grid: Grid

    @classmethod
    def layers(cls, *layers: tuple[Material, float]) -> Self:
        """Return layers of (material, thickness in nm) from the face downwards.

        The last one may be infinitely thick; below a finite last one is vacuum.
        """
        everywhere = np.array([-np.inf, np.inf])
        depths = np.cumsum([0.0, *(thickness for _, thickness in layers)])
        phases = np.arange(len(layers)).reshape(-1, 1, 1)
        return cls(tuple(m for m, _ in layers), Grid(phases, depths, everywhere, everywhere))

    @classmethod
    def voxels(
        cls,
        phases: np.ndarray,
        voxel_size_nm: tuple[float, float, float],
        materials: Sequence[Material],
        below: Material,
    ) -> Self:
        """Return voxels over an infinite depth of one material, periodic sideways.

        Args:
            phases: (z, y, x) integers, index into `materials`; plane 0 is at the face.
            voxel_size_nm: (z, y, x).
            materials: the materials of the phases.
            below: material below the last plane.
        """
        z, y, x = (
            np.arange(n + 1) * float(h) for n, h in zip(phases.shape, voxel_size_nm, strict=True)
        )
        under = np.full((1, *phases.shape[1:]), len(materials))
        stacked = np.concatenate([phases.astype(np.int64), under])
        return cls((*materials, below), Grid(stacked, np.append(z, np.inf), y, x))


def media_of(
    materials: Sequence[Material],
    elastic: ElasticModel = "mott",
    energy_loss: EnergyLossModel = "joy_luo",
) -> Media:
    """Return the tables of materials: Sigma_i = rho c_i N_A sigma_i / A_i, and dE/ds."""
    energy = np.geomspace(*ENERGY_RANGE_EV, 1000)
    node = np.geomspace(*ENERGY_RANGE_EV, 66)
    mu = np.concatenate([[0.0], np.geomspace(1e-9, 1.0, 1500)])
    most = max(1, *(len(m.composition) for m in materials))
    stopping = np.zeros((len(materials), len(energy)))
    collisions = np.zeros((len(materials), most, len(energy)))
    cumulative = np.zeros((len(materials), most, len(node), len(mu)))
    for i, material in enumerate(materials):
        stopping[i] = stopping_power_ev_per_nm(energy_loss, material, energy)
        for j, (symbol, weight) in enumerate(material.weight_fractions.items()):
            element = elements()[symbol]
            z, a = element.atomic_number, element.atomic_weight_g_mol
            atoms_per_cm3 = material.density_g_cm3 * weight * AVOGADRO / a
            collisions[i, j] = 1e-7 * atoms_per_cm3 * total_cross_section_cm2(elastic, z, energy)
            cumulative[i, j] = [angular_cumulative(elastic, z, float(e), mu) for e in node]
    return Media(energy, stopping, collisions, node, mu, cumulative)


def simulate(
    sample: Sample,
    energy_kev: float,
    electrons: int,
    *,
    seed: int = 0,
    tilt_deg: float = 0.0,
    elastic: ElasticModel = "mott",
    energy_loss: EnergyLossModel = "joy_luo",
    cutoff_ev: float = 50.0,
    step: Step = "midpoint",
    media: Media | None = None,
    threads: int | None = None,
) -> Electrons:
    """Follow electrons through a sample.

    They enter along z, or tilted towards x, evenly over a period of the face (at x = y = 0 if it
    has none). They end when they leave the face, go down forever, or reach the cut-off.

    Args:
        sample: the target.
        energy_kev: beam energy, keV.
        electrons: number of electrons.
        seed: seed of all random numbers; the result does not depend on `threads`.
        tilt_deg: angle between beam and normal of the face, degrees, below 90.
        elastic: elastic model.
        energy_loss: energy-loss model.
        cutoff_ev: energy at which an electron counts as absorbed, eV; at least 50.
        step: how energy is lost along a flight.
        media: tables instead of those of the two models.
        threads: number of CPU threads; default all.
    """
    media = media or media_of(sample.materials, elastic, energy_loss)
    tilt = math.radians(tilt_deg)
    beam = np.array([math.sin(tilt), 0.0, math.cos(tilt)])
    sizes = [min(CHUNK, electrons - done) for done in range(0, electrons, CHUNK)]

    def chunk(size: int, stream: np.random.SeedSequence) -> Electrons:
        found = Electrons(
            np.zeros(size, np.int64), np.zeros(size), np.zeros((size, 3)), np.zeros((size, 3)),
            np.zeros(size), np.zeros(size, np.int64),
        )  # fmt: skip
        rng = np.random.default_rng(stream)
        follow(rng, 1e3 * energy_kev, beam, cutoff_ev, RULES[step], sample.grid, media, found)
        return found

    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        parts = list(pool.map(chunk, sizes, np.random.SeedSequence(seed).spawn(len(sizes))))
    return Electrons(*map(np.concatenate, zip(*parts, strict=True)))
