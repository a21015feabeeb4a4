"""Families of structures that labels may belong to, each with a few free parameters.

A family has variants (the shape of particles, the kind of cells) and ranges of parameters without
a unit; they are given as shares of the ranges, 0 to 1. All lengths follow from one size, so that a
structure is scaled by changing it. The first size is estimated from the specific surface.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pydantic import ValidationError

from fib_plugins.generators.ligament_diameter import (
    mean_ligament_diameter,
    specific_surface,
    wave_number_of,
)
from fibcore import FibError, Generator
from fibcore.errors import faults
from fibcore.registry import registry

Params = dict[str, Any]
Ranges = Mapping[str, tuple[float, float]]

RANDOM_SURFACE, RANDOM_EDGES = 2.910, 5.832
"""Surface over n^(1/3), and length of edges over n^(2/3), of n random cells per volume (Okabe et
al., Spatial Tessellations, 2nd ed. 2000, section 5.5)."""
REPRESENTATIVE = 3.0
"""Boxes of fewer particles across than this have the expected solid fraction, not the exact one."""


class Family(ABC):
    """A family of structures.

    Attributes:
        name: of the family, and of its generator.
        variants: names of its variants.
        ranges: parameter without a unit -> its lowest and highest value.
        fractions: lowest and highest solid fraction.
    """

    name: ClassVar[str]
    variants: ClassVar[tuple[str, ...]] = ("",)
    ranges: ClassVar[Ranges] = {}
    fractions: ClassVar[tuple[float, float]] = (0.02, 0.98)

    def possible(self, fraction: float, variant: str) -> bool:
        """Return whether a variant can have a solid fraction."""
        low, high = self.fractions
        return low <= fraction <= high

    @abstractmethod
    def first_size(self, fraction: float, surface: float, variant: str) -> float:
        """Return the size in nm of structures with a specific surface in 1/nm, about."""

    @abstractmethod
    def params(
        self, variant: str, values: Mapping[str, float], size_nm: float, fraction: float
    ) -> Params:
        """Return parameters of the generator.

        Args:
            variant: of `variants`.
            values: value of each parameter in `ranges`.
            size_nm: the size.
            fraction: solid fraction, within `fractions`.
        """

    def values(self, shares: Sequence[float]) -> dict[str, float]:
        """Return the values at shares of the ranges."""
        return {
            name: low + float(share) * (high - low)
            for (name, (low, high)), share in zip(self.ranges.items(), shares, strict=True)
        }

    def generator(
        self,
        variant: str,
        shares: Sequence[float],
        size_nm: float,
        solid_fraction: float,
        box: Mapping[str, Any],
    ) -> Generator:
        """Return the generator of a structure.

        Args:
            variant: of `variants`.
            shares: places in `ranges`.
            size_nm: the size.
            solid_fraction: 0 to 1; the nearest within `fractions` is taken.
            box: shape, voxel size, materials, and further parameters.

        Raises:
            FibError: the generator rejects the parameters.
        """
        low, high = self.fractions
        inside = min(max(solid_fraction, low), high)
        params = self.params(variant, self.values(shares), size_nm, inside)
        plugin: Any = registry().plugin(f"generator/{self.name}")
        try:
            return plugin.model_validate(params | dict(box))
        except ValidationError as error:
            raise FibError(f"generator/{self.name}: {faults(error)}") from None


class LeveledWaveFamily(Family):
    """Leveled waves; size: ligament diameter."""

    name = "leveled_wave"
    fractions = (0.05, 0.95)

    def first_size(self, fraction: float, surface: float, variant: str) -> float:
        """Return the ligament diameter, from the exact relation of surface and wave number."""
        return mean_ligament_diameter(fraction, surface / specific_surface(fraction, 1.0))

    def params(
        self, variant: str, values: Mapping[str, float], size_nm: float, fraction: float
    ) -> Params:
        """Return parameters of `generator/leveled_wave`."""
        return {"solid_fraction": fraction, "ligament_diameter_nm": size_nm}


class HierarchicalFamily(Family):
    """Hierarchical leveled waves; size: ligament diameter of the lower level.

    `share` is that of the upper level in the logarithm of the solid fraction.
    """

    name = "hierarchical_leveled_wave"
    ranges: ClassVar[Ranges] = {"log_ratio": (math.log(2.5), math.log(8)), "share": (0.3, 0.7)}
    fractions = (0.1, 0.8)

    def first_size(self, fraction: float, surface: float, variant: str) -> float:
        """Return the lower diameter: surfaces of both levels, each where the other is solid."""
        level, ratio = math.sqrt(fraction), 4.5
        one = level * specific_surface(level, wave_number_of(1.0, level))
        return one * (1 + 1 / ratio) / surface

    def params(
        self, variant: str, values: Mapping[str, float], size_nm: float, fraction: float
    ) -> Params:
        """Return parameters of `generator/hierarchical_leveled_wave`."""
        upper = fraction ** values["share"]
        return {
            "solid_fractions": (upper, fraction / upper),
            "ligament_diameters_nm": (size_nm * math.exp(values["log_ratio"]), size_nm),
        }


class SpinodalFamily(Family):
    """Spinodal structures, up to moderate coarsening; size: ligament diameter."""

    name = "spinodal"
    ranges: ClassVar[Ranges] = {"coarsening": (1.6, 2.2)}
    fractions = (0.2, 0.8)

    def first_size(self, fraction: float, surface: float, variant: str) -> float:
        """Return the ligament diameter of a leveled wave of this surface, which is near it."""
        return LeveledWaveFamily().first_size(fraction, surface, variant)

    def params(
        self, variant: str, values: Mapping[str, float], size_nm: float, fraction: float
    ) -> Params:
        """Return parameters of `generator/spinodal`."""
        return {"solid_fraction": fraction, "ligament_diameter_nm": size_nm, **values}


class ParticlesFamily(Family):
    """Particles, packed or overlapping; size: their mean diameter."""

    name = "particles"
    variants = ("overlapping", "ellipsoid", "polyhedron", "irregular")
    ranges: ClassVar[Ranges] = {"deviation": (0.0, 0.6), "elongation": (0.0, 1.0)}
    fractions = (0.02, 0.95)

    DENSEST = 0.59
    LONGEST = 2.5

    def possible(self, fraction: float, variant: str) -> bool:
        """Return whether a variant can have a solid fraction."""
        return super().possible(fraction, variant) and (
            variant == "overlapping" or fraction <= self.DENSEST
        )

    def first_size(self, fraction: float, surface: float, variant: str) -> float:
        """Return the diameter of spheres, of which a third differs in size."""
        amount = fraction
        if variant == "overlapping":  # surface of the Boolean model (Chiu et al. 2013, ch. 3)
            amount = -math.log(1 - fraction) * (1 - fraction)
        return 6 * amount / surface / (1 + 0.3**2) ** 2

    def params(
        self, variant: str, values: Mapping[str, float], size_nm: float, fraction: float
    ) -> Params:
        """Return parameters of `generator/particles`; dense packings are less elongated."""
        packed = variant != "overlapping"
        inside = min(fraction, self.DENSEST) if packed else fraction
        longest = min(self.LONGEST, 1 + (0.599 - inside) / 0.07) if packed else self.LONGEST
        long = 1 + values["elongation"] * (longest - 1)
        return {
            "mode": "packed" if packed else "overlapping",
            "particle_shape": variant if packed else "ellipsoid",
            "solid_fraction": inside,
            "diameter_nm": size_nm,
            "diameter_std_nm": values["deviation"] * size_nm,
            "axis_ratios": (1.0, math.sqrt(long), long),
        }


class ElectrodeFamily(Family):
    """Electrodes; size: mean diameter of the particles of active material, the solid.

    `defects` is the share of cracked particles; a third as many are hollow.
    """

    name = "electrode"
    ranges: ClassVar[Ranges] = {
        "deviation": (0.2, 0.8),
        "roughness": (0.1, 0.3),
        "elongation": (1.0, 2.0),
        "defects": (0.0, 0.6),
    }
    fractions = (0.2, 0.85)

    def first_size(self, fraction: float, surface: float, variant: str) -> float:
        """Return the diameter of rough bodies, of which half differs in size."""
        return 6 * fraction / surface / (1 + 0.5**2) ** 2 * 1.15

    def params(
        self, variant: str, values: Mapping[str, float], size_nm: float, fraction: float
    ) -> Params:
        """Return parameters of `generator/electrode`, without binder."""
        return {
            "solid_fraction": fraction,
            "diameter_nm": size_nm,
            "diameter_std_nm": values["deviation"] * size_nm,
            "axis_ratios": (1.0, math.sqrt(values["elongation"]), values["elongation"]),
            "roughness": values["roughness"],
            "cracked_fraction": values["defects"],
            "hollow_fraction": values["defects"] / 3,
            "crack_width_nm": 0.032 * size_nm,
            "binder_texture_nm": 0.08 * size_nm,
            "binder_fraction": 0.0,
        }


class FoamFamily(Family):
    """Foams and grains; size: diameter of the cells."""

    name = "foam"
    variants = ("open relaxed", "open random", "closed relaxed", "closed random", "grains relaxed")
    fractions = (0.03, 0.95)

    def first_size(self, fraction: float, surface: float, variant: str) -> float:
        """Return the diameter of cells whose struts, walls or gaps have this surface."""
        kind = variant.split()[0]
        if kind == "open":  # struts around edges at random
            edges = (surface / (1 - fraction)) ** 2 / (-4 * math.pi * math.log(1 - fraction))
            density = (edges / RANDOM_EDGES) ** 1.5
        else:
            inner = 1 - fraction if kind == "closed" else fraction
            faces = surface / (2 * inner ** (2 / 3))
            density = (faces / RANDOM_SURFACE) ** 3
        return (6 / (math.pi * density)) ** (1 / 3)

    def params(
        self, variant: str, values: Mapping[str, float], size_nm: float, fraction: float
    ) -> Params:
        """Return parameters of `generator/foam`."""
        cells, arrangement = variant.split()
        return {
            "cells": cells,
            "arrangement": arrangement,
            "solid_fraction": fraction,
            "cell_diameter_nm": size_nm,
        }


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        LeveledWaveFamily(),
        HierarchicalFamily(),
        SpinodalFamily(),
        ParticlesFamily(),
        ElectrodeFamily(),
        FoamFamily(),
    )
}
