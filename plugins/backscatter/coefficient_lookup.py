"""Lookup in a table of coefficients: between its energies and depths, and for other materials."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from fib_plugins.backscatter.coefficient_table import CoefficientTable
from fib_plugins.backscatter.depth_curves import DepthCurves
from fib_plugins.backscatter.table_range import TableRange
from fibcore import Material, Model
from fibcore.elements import elements

SAME_ATOMIC_NUMBER = 0.005
"""A material with the name of one in the table is the same if its mean Z differs by less than this
fraction."""

WEIGHTS = ("material", "energy_kev", "depth_nm", "eta")
"""Arrays of a model that holds a table."""

Share = tuple[int, float]
"""Number of a material of the table, and its weight."""


@dataclass(frozen=True, eq=False)
class CoefficientLookup:
    """Coefficients of a table; every array has one entry per row.

    Attributes:
        materials: name and mean Z, in the order of their numbers.
        material: number of the material.
        energy_kev: beam energy, keV.
        depth_nm: thickness of the overlayer, nm.
        eta: backscatter coefficient.
        covered: the range that the table covers.
        asked: identifier of the plugin that is used, for warnings.
    """

    materials: Mapping[str, float]
    material: np.ndarray
    energy_kev: np.ndarray
    depth_nm: np.ndarray
    eta: np.ndarray
    covered: TableRange
    asked: str

    @classmethod
    def of_table(cls, table: CoefficientTable, covered: TableRange, asked: str) -> Self:
        """Return the lookup of a table."""
        return cls(
            materials=table.materials,
            material=table.material_numbers,
            energy_kev=table.energy_kev,
            depth_nm=table.depth_nm,
            eta=table.eta,
            covered=covered,
            asked=asked,
        )

    @classmethod
    def of_model(cls, model: Model) -> Self:
        """Return the lookup of the table in a model."""
        return cls(
            materials={entry["name"]: entry["atomic_number"] for entry in model.info["materials"]},
            **{name: model.weights[name] for name in WEIGHTS},
            covered=TableRange.from_json(model.info["range"]),
            asked=model.plugin,
        )

    def at(self, material: Material, energy_kev: np.ndarray, depth_nm: np.ndarray) -> np.ndarray:
        """Return eta, 0 to 1, at energies and depths of the same shape; 0 for vacuum."""
        eta = np.zeros(energy_kev.shape)
        if not material.composition:
            return eta
        for number, share in self._shares(material):
            rows = self.material == number
            curves = DepthCurves.of(self.energy_kev[rows], self.depth_nm[rows], self.eta[rows])
            eta += share * curves.at(energy_kev, depth_nm)
        return eta

    def warn_outside(self, material: Material, energy: np.ndarray, depth: np.ndarray) -> None:
        """Log a warning for values that the table does not cover."""
        self.covered.warn_outside(self.asked, material, energy, depth)

    def _shares(self, material: Material) -> list[Share]:
        """Return the materials of the table to use, and their weights."""
        number = self._number(material.name, material.mean_atomic_number)
        if number is not None:
            return [(number, 1.0)]
        shares = self._elements(material)
        if shares and len(shares) == 1:
            return shares
        how = "the mean of those of its elements, by their shares of the electrons"
        if not shares:
            shares = self._neighbours(material.mean_atomic_number)
            names = [list(self.materials)[number] for number, _ in shares]
            how = (
                f"taken as that of {names[0]}"
                if len(names) == 1
                else f"taken between {names[0]} and {names[1]}, by mean atomic number"
            )
        logging.getLogger("fib").warning(
            "%s: %s is not in the table; its eta is %s. physics/monte_carlo_table makes a table "
            "with it",
            self.asked,
            material.name,
            how,
        )
        return shares

    def _number(self, name: str, atomic_number: float) -> int | None:
        """Return the number of a material; None if the table has none of that name and mean Z."""
        known = self.materials.get(name)
        if known is None or abs(known - atomic_number) > SAME_ATOMIC_NUMBER * atomic_number:
            return None
        return list(self.materials).index(name)

    def _elements(self, material: Material) -> list[Share]:
        """Return the elements of a material and their shares of its electrons.

        Empty if the table lacks one of them.
        """
        shares: list[Share] = []
        for symbol, weight in material.weight_fractions.items():
            element = elements()[symbol]
            number = self._number(symbol, element.atomic_number)
            if number is None:
                return []
            shares.append((number, weight * element.atomic_number / element.atomic_weight_g_mol))
        total = sum(share for _, share in shares)
        return [(number, share / total) for number, share in shares]

    def _neighbours(self, atomic_number: float) -> list[Share]:
        """Return the materials next to an atomic number, or the one at the end."""
        numbers = np.array(list(self.materials.values()))
        order = np.argsort(numbers, kind="stable")
        place = int(np.searchsorted(numbers[order], atomic_number))
        above, below = order[min(place, len(order) - 1)], order[max(place - 1, 0)]
        if above == below:
            return [(int(above), 1.0)]
        share = float((atomic_number - numbers[below]) / (numbers[above] - numbers[below]))
        return [(int(below), 1.0 - share), (int(above), share)]
