"""Voxels against layers, and three dimensions against the oracle."""

from __future__ import annotations

import numpy as np

from fib_plugins.electrons.reference import Sample, simulate
from fib_plugins.generators.layered import Layered

from ..pages import percent, signed
from .convergence import structures
from .page import SIGMA, Section, value
from .simulations import Bench, Yield, seed_of

VOXEL_NM = 5.0
CASES = ((1.0, 0.0), (1.0, 5.0), (1.0, 10.0), (2.0, 0.0), (2.0, 20.0), (2.0, 40.0), (4.0, 0.0),
         (4.0, 50.0), (4.0, 100.0))  # fmt: skip
ELECTRONS = 2_000_000
ORACLE_ELECTRONS = 200_000
ENERGIES_KEV = (1.0, 2.0, 4.0)


def section(bench: Bench) -> Section:
    """Return the section."""
    page = Section("Voxels against layers and against the oracle")
    page.text(
        f"""A film of epoxy over gold, once as flat layers, once as voxels of {VOXEL_NM:g} nm made
        by `generator/layered`; {bench.electrons(ELECTRONS):,} electrons each, in independent
        runs."""
    )
    rows, worst = [], 0.0
    for kev, thickness in CASES:
        layers = bench.engine("epoxy/Au", kev, ELECTRONS, thickness_nm=thickness)
        labels = Layered(
            shape=(int(thickness / VOXEL_NM) + 2, 20, 20), voxel_size_nm=VOXEL_NM,
            film_thickness_nm=thickness,
        ).generate()  # fmt: skip
        (voxels,) = bench.mean_yields(labels, (kev,), ELECTRONS, below="repeat")
        off = voxels.eta / layers.eta - 1
        worst = max(worst, off, key=abs)
        error = np.hypot(voxels.error / voxels.eta, layers.error / layers.eta)
        rows.append(
            [f"{kev:g} keV, {thickness:g} nm", value(layers.eta, layers.error),
             value(voxels.eta, voxels.error), f"{percent(off, 2)} ± {100 * error:.2f}"]
        )  # fmt: skip
    page.table(["η", "layers", "voxels", "difference / %"], rows)
    page.check("voxels against layers", "within 1 %", f"at most {percent(worst, 2)} %",
               abs(worst) < 0.01)  # fmt: skip

    page.heading("Three dimensions")
    page.text(
        f"""The structures of the section on convergence, over epoxy, simulated by engine and
        oracle, which cross the voxels in different ways; the oracle follows
        {bench.electrons(ORACLE_ELECTRONS):,} electrons."""
    )
    rows, sigmas = [], []
    for name, labels in structures().items():
        materials = [labels.phases[i] for i in (0, 1)]
        sample = Sample.voxels(labels.data, labels.voxel_size_nm, materials, materials[0])
        found = bench.mean_yields(labels, ENERGIES_KEV, ELECTRONS, below=0)
        for kev, engine in zip(ENERGIES_KEV, found, strict=True):
            run = simulate(
                sample, kev, bench.electrons(ORACLE_ELECTRONS), step="fine",
                seed=seed_of("3-D", name, kev),
            )  # fmt: skip
            oracle = Yield(run.eta, run.standard_error)
            sigmas.append((engine.eta - oracle.eta) / np.hypot(engine.error, oracle.error))
            rows.append(
                [f"{name}, {kev:g} keV", value(engine.eta, engine.error),
                 value(oracle.eta, oracle.error), percent(engine.eta / oracle.eta - 1),
                 signed(sigmas[-1])]
            )  # fmt: skip
    page.table(["η", "engine", "oracle", "difference / %", f"in {SIGMA}"], rows)
    worst = float(np.abs(sigmas).max())
    page.check("three-dimensional structures, engine against oracle", f"within 4 {SIGMA}",
               f"at most {worst:.1f} {SIGMA}", worst < 4)  # fmt: skip
    return page
