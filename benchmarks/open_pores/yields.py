"""Yields of the weighted projection against Monte Carlo."""

from __future__ import annotations

import numpy as np

from fibcore import Context, Labels
from fibcore.materials import VACUUM

from ..pages import table
from .images import ENERGY_KEV, first_solid
from .structures import plugin

YIELD_ELECTRONS, YIELD_SLICES = 400, (4, 8)


def yield_structures() -> dict[str, Labels]:
    """Return structures with open pores whose yields are compared."""
    box = {"shape": 64}
    lithium, gold = ("vacuum", "LiCoO2"), ("vacuum", "Au")
    wave = {"solid_fraction": 0.45}
    made = {
        "LiCoO2, ligaments of 160 nm": plugin(
            "generator/leveled_wave",
            **box,
            **wave,
            voxel_size_nm=20.0,
            ligament_diameter_nm=160,
            materials=lithium,
        ),
        "LiCoO2, particles of 600 nm": plugin(
            "generator/particles",
            **box,
            solid_fraction=0.5,
            diameter_nm=600,
            voxel_size_nm=20.0,
            mode="overlapping",
            fraction="expected",
            materials=lithium,
        ),
        "electrode with binder": plugin(
            "generator/electrode",
            **box,
            voxel_size_nm=40.0,
            diameter_nm=1000,
            diameter_std_nm=400,
            fraction="expected",
        ),
        "gold, ligaments of 40 nm": plugin(
            "generator/leveled_wave",
            **box,
            **wave,
            voxel_size_nm=5.0,
            ligament_diameter_nm=40,
            materials=gold,
        ),
    }
    return {name: each.generate(seed=1) for name, each in made.items()}


def yield_errors() -> str:
    """Return the table of rms errors of yields against Monte Carlo, counting noise subtracted."""
    rows = []
    for name, labels in yield_structures().items():
        simulator = plugin(
            "simulator/monte_carlo",
            energies_kev=(ENERGY_KEV,),
            electrons_per_pixel=YIELD_ELECTRONS,
            slices=YIELD_SLICES,
        )
        counted = simulator.simulate(labels, Context(1)).data[0]
        solid = labels.data[slice(*YIELD_SLICES)] > 0
        ways = {
            "before": first_solid(labels.data, YIELD_SLICES, labels.phases)[0],
            "now": _projected(labels, "first_hit"),
            "now, mode sum": _projected(labels, "sum"),
        }
        for way, found in ways.items():
            squared = (found - counted) ** 2 - counted * (1 - counted) / (YIELD_ELECTRONS - 1)
            errors = [float(np.sqrt(squared[chosen].mean().clip(0))) for chosen in (solid, ~solid)]
            bias = [float((found - counted)[chosen].mean()) for chosen in (solid, ~solid)]
            rows.append([name, way, *(f"{error:.3f}" for error in errors), f"{bias[1]:+.3f}"])
    head = ["structure", "projection", "face: rms error", "pores: rms error", "pores: bias"]
    return table(head, rows)


def _projected(labels: Labels, mode: str) -> np.ndarray:
    made = plugin("simulator/weighted_projection", energies_kev=(ENERGY_KEV,), mode=mode)
    image = np.asarray(made.simulate(labels).data[0, slice(*YIELD_SLICES)])
    if mode == "sum":  # 1 is the brightest phase in bulk
        lookup = plugin("physics/monte_carlo", overlayer=VACUUM)
        image = image * max(
            float(lookup.coefficient(material, ENERGY_KEV)) for material in labels.phases.values()
        )
    return image
