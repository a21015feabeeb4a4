"""Images of structures, by Monte Carlo and as projections were."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fibcore import Context, Images, Labels, Material
from fibcore.materials import VACUUM

from .structures import PHASES, VOXEL_NM, plugin

SHOWN_NM = 3.0
"""Voxel size for which the presets of the instruments are made: lengths in pixels are kept."""
ENERGY_KEV = 2.0
SIGNAL = {"bse": 1.0, "se": 0.15}
"""Gain of each detector: signals of both are about alike."""


def labelled(data: np.ndarray) -> Labels:
    """Return labels with the materials of the benchmark."""
    return Labels(data, (VOXEL_NM,) * 3, PHASES)


def monte_carlo(data: np.ndarray, slices: tuple[int, int], electrons: int, seed: int) -> np.ndarray:
    """Return images of some slices by Monte Carlo, BSE and SE: (detector, z, y, x)."""
    simulator = plugin(
        "simulator/monte_carlo",
        energies_kev=(ENERGY_KEV,),
        electrons_per_pixel=electrons,
        slices=slices,
        detectors=("bse", "se"),
    )
    return np.asarray(simulator.simulate(labelled(data), Context(seed)).data)


def first_solid(
    data: np.ndarray, slices: tuple[int, int], phases: Mapping[int, Material] = PHASES
) -> np.ndarray:
    """Return the yield of the first solid below each pixel, as bright as at the face."""
    lookup = plugin("physics/monte_carlo", overlayer=VACUUM)
    found = np.zeros((1, slices[1] - slices[0], *data.shape[1:]), np.float32)
    etas = {n: float(lookup.coefficient(m, ENERGY_KEV)) for n, m in phases.items()}
    for down in range(12):
        below = data[slices[0] + down : slices[1] + down]
        for phase, eta in etas.items():
            found[0][(found[0] == 0) & (below == phase)] = eta
    return found


def images_of(data: np.ndarray, detectors: tuple[str, ...]) -> Images:
    """Return images of these detectors, with the voxel size that the instruments' presets have."""
    scale = np.array([SIGNAL[detector] for detector in detectors], np.float32)
    kv = (ENERGY_KEV,) * len(detectors)
    return Images(
        data[: len(detectors)] * scale[:, None, None, None],
        (SHOWN_NM,) * 3,
        kv=kv,
        detectors=detectors,
    )
