"""Small volumes, their images by the Monte Carlo engine, and how alike two images are."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, stats

from fib_plugins.electrons.electron import make_beam
from fib_plugins.electrons.imaging import Imager, make_lattice
from fib_plugins.electrons.medium import build_tables
from fibcore import Labels


def prepared(labels, energy_kev, *, lateral="periodic", below="mirror", cutoff_ev=50.0, **beam):
    """Return lattice, tables and beam; media are numbered as the phases of `labels`."""
    lattice = make_lattice(labels, list(labels.phases), lateral=lateral, below=below)
    tables = build_tables(list(labels.phases.values()), energy_kev, cutoff_ev=cutoff_ev)
    return lattice, tables, make_beam(energy_kev, cutoff_ev=cutoff_ev, **beam)


def image(labels, energy_kev, electrons, *, z=0, key=1, threads=2, **options):
    """Return the tally of a whole slice, and its yields (y, x)."""
    imager = Imager(
        *prepared(labels, energy_kev, **options),
        electrons_per_pixel=electrons,
        key=key,
        threads=threads,
    )
    _, ny, nx = labels.shape
    tally = imager.image(z, (0, ny), (0, nx)).of_detector(0)
    return tally, tally.counts.reshape(ny, nx) / electrons


def uniform(material, shape=(2, 2, 2), voxel_size_nm=20.0):
    """Return a volume of one material."""
    return Labels(np.zeros(shape, np.uint8), voxel_size_nm, {0: material})


def blobs(shape, phases, seed=0, grain=2.0, mode="wrap"):
    """Return numbers of phases (z, y, x) in grains of some voxels."""
    rng = np.random.default_rng(seed)
    fields = [ndimage.gaussian_filter(rng.standard_normal(shape), grain, mode=mode)
              for _ in range(phases)]  # fmt: skip
    return np.argmax(fields, axis=0).astype(np.uint8)


def error(eta, electrons):
    """Return the standard error of a yield by counting."""
    return np.sqrt(eta * (1 - eta) / electrons)


def expect_alike(one, other, electrons):
    """Expect two yield images to differ by counting noise alone."""
    both = 0.5 * (one + other)
    deviation = (one - other) / np.sqrt(2 * both * (1 - both) / electrons)
    assert stats.chi2.sf(np.sum(deviation**2), deviation.size) > 1e-3
    assert abs(deviation.mean()) < 4 / np.sqrt(deviation.size)
