"""Families: parameters that their generators take, sizes from the specific surface."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from fib_plugins.generators.resembling.families import FAMILIES
from fib_plugins.structure_statistics.surface import specific_surface
from fibcore import Context, FibError

BOX = {"shape": (24, 24, 24), "voxel_size_nm": 5.0}


@pytest.mark.parametrize("name", FAMILIES)
def test_generators_accept_all_parameters_in_the_ranges(name):
    family = FAMILIES[name]
    low, high = family.fractions
    tried = 0
    for variant, fraction in product(family.variants, np.linspace(low, high, 9)):
        if not family.possible(fraction, variant):
            continue
        for shares in product((0.0, 0.4, 1.0), repeat=len(family.ranges)):
            plugin = family.generator(variant, shares, 60.0, fraction, BOX)
            assert plugin.identifier() == f"generator/{name}"
            tried += 1
    assert tried >= 9


def test_solid_fractions_beyond_a_family_are_brought_inside():
    plugin = FAMILIES["spinodal"].generator("", (0.5,), 60.0, 0.1, BOX)
    assert plugin.solid_fraction == 0.2
    packed = FAMILIES["particles"].generator("ellipsoid", (0.5, 1.0), 60.0, 0.62, BOX)
    assert packed.solid_fraction == 0.59


def test_parameters_that_a_generator_rejects_are_an_error():
    with pytest.raises(FibError, match=r"generator/spinodal: .*periodic"):
        FAMILIES["spinodal"].generator("", (0.5,), 60.0, 0.4, {**BOX, "periodic": "perhaps"})


@pytest.mark.parametrize("fraction", [0.25, 0.5])
@pytest.mark.parametrize(
    ("name", "variant"),
    [
        (family.name, variant)
        for family in FAMILIES.values()
        for variant in family.variants
        if family.name != "spinodal"
    ],
)
def test_first_sizes_give_about_the_specific_surface(name, variant, fraction):
    family = FAMILIES[name]
    wanted = 0.4 * fraction * (1 - fraction)  # per voxel edge: features some ten voxels wide
    size = family.first_size(fraction, wanted, variant)
    plugin = family.generator(
        variant, [0.5] * len(family.ranges), size, fraction, {"shape": 40, "voxel_size_nm": 1}
    )
    labels = plugin.generate(Context(2))
    assert specific_surface(labels.data, (1, 1, 1)) == pytest.approx(wanted, rel=0.4)
