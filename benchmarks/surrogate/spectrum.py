"""Distance of power spectra to those of Monte Carlo images."""

from __future__ import annotations

from typing import Any

from fib_plugins import Surrogate
from fib_plugins.generators.hierarchical_leveled_wave import HierarchicalLeveledWave
from fib_plugins.metrics.domain_gap import DomainGap
from fib_plugins.simulators.monte_carlo import MonteCarlo
from fib_plugins.simulators.weighted_projection import WeightedProjection
from fibcore import Context, Images

from .methods import ALL_SLICES, PAPER_SLICES, QUIET

ELECTRONS = 100
ENERGIES_KEV = (2.0,)


def measured(shape: tuple[int, int, int]) -> None:
    """Print the distances of each simulator's images to Monte Carlo images."""
    make = HierarchicalLeveledWave(
        shape=shape, voxel_size_nm=3.26, ligament_diameters_nm=(60.0, 15.0)
    )
    gold, other = (make.generate(seed=seed) for seed in (11, 12))
    counted: dict[str, Any] = {"energies_kev": ENERGIES_KEV, "electrons_per_pixel": ELECTRONS}
    below: dict[str, Any] = {**counted, "below": "mirror"}
    target, same = (
        MonteCarlo(**below).simulate(labels, context=_context(seed))
        for seed, labels in ((1, other), (2, gold))
    )
    simulators = {
        "weighted projection, sum": WeightedProjection(**counted, slices=PAPER_SLICES, mode="sum"),
        "weighted projection, first hit": WeightedProjection(
            **counted, slices=ALL_SLICES, mode="first_hit"
        ),
        "surrogate of the package": Surrogate(**counted),
    }
    images = {n: s.simulate(gold, context=_context(3)) for n, s in simulators.items()}
    images["Monte Carlo (the floor)"] = same
    voxels = " x ".join(map(str, shape))
    print(f"\ndistance of the power spectrum to Monte Carlo images, 2 kV, {ELECTRONS} electrons")
    print(f"{f'hierarchical leveled waves, {voxels}':<44}{'other structure':>18}{'same':>10}")
    for name, found in images.items():
        own = "" if found is same else f"{distance(found, same):>10.4f}"
        print(f"{name:<44}{distance(found, target):>18.4f}{own}", flush=True)


def distance(images: Images, reference: Images) -> float:
    """Return `spectrum_distance` of `metric/domain_gap`."""
    row = next(iter(DomainGap().measure(images, reference, context=_context(0)).rows()))
    return float(row["spectrum_distance"])


def _context(seed: int) -> Context:
    return Context(seed, log=QUIET)
