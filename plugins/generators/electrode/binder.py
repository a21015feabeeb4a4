"""Where the binder is: in clusters, films and bridges in the pores, porous itself."""

from __future__ import annotations

import numpy as np

from fib_plugins.generators.ligament_diameter import expected_level
from fib_plugins.generators.plane_waves import PlaneWaves, isotropic_waves
from fib_plugins.generators.slabs import Slab
from fib_plugins.generators.wave_field import WaveField
from fibcore.context import Context

CLUSTER_WAVES = 200
TEXTURE_WAVES = 400
SPREAD = 0.3
"""Spread of the wave numbers of the texture (of their logarithm): less regular than one length."""
SHORTEST = 0.45
"""Shortest wavelength of the texture, about, relative to its length: 2.6 deviations."""
CLUSTER_NM = 1.0
"""Wavelength of the clusters, relative to the mean diameter of particles."""
FRAYED = 0.2
"""Weight of the texture: at the edge of the binder thick strands reach further than thin ones."""
FILM = 4.0
"""Weight of the distance from particles against that of the clusters."""


def cluster_waves(length_nm: float, rng: np.random.Generator) -> PlaneWaves:
    """Return the waves of the field of clusters."""
    return isotropic_waves(CLUSTER_WAVES, 2 * np.pi / length_nm, (1.0, 1.0, 1.0), rng)


def texture_waves(length_nm: float, rng: np.random.Generator) -> PlaneWaves:
    """Return the waves of the texture, of lengths about the given one."""
    waves = isotropic_waves(TEXTURE_WAVES, 2 * np.pi / length_nm, (1.0, 1.0, 1.0), rng)
    spread = np.exp(SPREAD * rng.standard_normal(TEXTURE_WAVES))
    return PlaneWaves(waves.vectors * spread[:, None], waves.phases)


class Binder:
    """Which voxels may be binder, and in what order they become it.

    Args:
        gap_nm: distances of the two nearest particles, added, (z, y, x).
        wide_nm: the distance at which the pull of a particle ends.
        voxel_size_nm: (z, y, x).
        porosity: share of pores within the binder.
        texture_nm: length of its texture.
        wetting: 0 for clusters anywhere, 1 for films and bridges.
        diameter_nm: mean diameter of particles, which gives the length of the clusters.
        context: random numbers, threads, progress.
    """

    def __init__(
        self,
        gap_nm: np.ndarray,
        wide_nm: float,
        voxel_size_nm: tuple[float, float, float],
        *,
        porosity: float,
        texture_nm: float,
        wetting: float,
        diameter_nm: float,
        context: Context,
    ) -> None:
        self._gap_nm, self._wide_nm, self._wetting = gap_nm, wide_nm, wetting
        shape = gap_nm.shape
        clusters = cluster_waves(CLUSTER_NM * diameter_nm, context.rng_for("clusters"))
        self._clusters = WaveField(clusters, shape, voxel_size_nm, context, "cluster_nodes")
        self._texture = None
        if porosity > 0:
            texture = texture_waves(texture_nm, context.rng_for("texture"))
            self._texture = WaveField(texture, shape, voxel_size_nm, context, "texture_nodes")
            self._level = expected_level(1 - porosity)

    def solid(self, slab: Slab) -> np.ndarray:
        """Return where the texture is solid, bool (z, y, x)."""
        if self._texture is None:
            return np.ones((slab[1] - slab[0], *self._gap_nm.shape[1:]), bool)
        return self._texture.slab(slab) < self._level

    def order(self, slab: Slab) -> np.ndarray:
        """Return float32 (z, y, x); voxels of lower values become binder before others."""
        order = self._gap_nm[slab[0] : slab[1]] * np.float32(FILM * self._wetting / self._wide_nm)
        order += np.float32(1 - self._wetting) * self._clusters.slab(slab)
        if self._texture is not None:
            order += np.float32(FRAYED) * self._texture.slab(slab)
        return order
