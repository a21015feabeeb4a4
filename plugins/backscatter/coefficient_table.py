"""Tables of backscatter coefficients, checked, for models that learn from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from fibcore import FibError, Table
from fibcore.errors import listed
from fibcore.roles import Abscissa, Key, Role
from fibcore.text import shown

NUMBERS = ("atomic_number", "energy_kev", "depth_nm", "eta")


def roles_of_places(depths: int) -> dict[str, Role]:
    """Return the roles of the columns material, energy and depth of a coefficient.

    Args:
        depths: number of depths; for a single one, curves over energy are drawn.
    """
    x, key = ("depth_nm", "energy_kev") if depths > 1 else ("energy_kev", "depth_nm")
    return {"material": Key(), "atomic_number": Key(), key: Key(), x: Abscissa()}


@dataclass(frozen=True, eq=False)
class CoefficientTable:
    """Coefficients over materials, energies and depths; every array has one entry per row.

    Attributes:
        material: names, object.
        atomic_number: mean Z.
        energy_kev: beam energy, keV.
        depth_nm: thickness of the overlayer, nm.
        eta: backscatter coefficient, 0 to 1.
        standard_error: of eta; 0 where the table has no such column.
        overlayer: name of the overlayer's material; empty if the table has none.
    """

    material: np.ndarray
    atomic_number: np.ndarray
    energy_kev: np.ndarray
    depth_nm: np.ndarray
    eta: np.ndarray
    standard_error: np.ndarray
    overlayer: str

    @classmethod
    def of(cls, table: Table) -> Self:
        """Return the coefficients of a table.

        Raises:
            FibError: columns are missing, hold no numbers or impossible ones, an entry is
                given twice, or there is more than one overlayer.
        """
        missing = [name for name in ("material", *NUMBERS) if name not in table]
        if missing:
            raise FibError(
                f"the table has no column {listed(missing)}; it has {listed(table.names)}. Give "
                f"one with material, {', '.join(NUMBERS)}, as made by physics/monte_carlo_table"
            )
        if not len(table):
            raise FibError("the table has no rows; give one with coefficients")
        numbers = {name: _numbers(table, name) for name in NUMBERS}
        _check("atomic_number", numbers, (numbers["atomic_number"] >= 1), "1 and more")
        _check("energy_kev", numbers, (numbers["energy_kev"] > 0), "above 0")
        _check("depth_nm", numbers, (numbers["depth_nm"] >= 0), "0 and more")
        _check("eta", numbers, (numbers["eta"] >= 0) & (numbers["eta"] <= 1), "0 to 1")
        overlayers = set(table["overlayer"].tolist()) if "overlayer" in table else {""}
        if len(overlayers) > 1:
            raise FibError(
                f"the table mixes the overlayers {listed(sorted(map(str, overlayers)))}; a model "
                f"is valid for one: make a table, and a model, for each"
            )
        error = "standard_error"
        found = cls(
            material=np.array([str(name) for name in table["material"]], dtype=object),
            **numbers,
            standard_error=_numbers(table, error) if error in table else np.zeros(len(table)),
            overlayer=str(overlayers.pop() or ""),
        )
        found._check_unique()
        return found

    @property
    def materials(self) -> dict[str, float]:
        """Name of each material and its atomic number, in the order of the table."""
        return dict(zip(self.material.tolist(), self.atomic_number.tolist(), strict=True))

    @property
    def material_numbers(self) -> np.ndarray:
        """Number of each row's material in `materials`, int32."""
        number = {name: i for i, name in enumerate(self.materials)}
        return np.array([number[name] for name in self.material], dtype=np.int32)

    def of_material(self, name: str) -> np.ndarray:
        """Return which rows belong to a material."""
        return np.asarray(self.material == name)

    def _check_unique(self) -> None:
        seen: set[tuple[str, float, float]] = set()
        points = zip(
            self.material.tolist(), self.energy_kev.tolist(), self.depth_nm.tolist(), strict=True
        )
        for material, energy, depth in points:
            if (material, energy, depth) in seen:
                raise FibError(
                    f"{material} at {energy:g} keV under {depth:g} nm is given twice in the table; "
                    f"leave one of the rows out"
                )
            seen.add((material, energy, depth))
        for name, number in self.materials.items():
            if not np.all(self.atomic_number[self.of_material(name)] == number):
                raise FibError(
                    f"{name} has several atomic numbers in the table; a name must mean one "
                    f"material: rename the other"
                )


def _numbers(table: Table, name: str) -> np.ndarray:
    values = table[name]
    if values.dtype.kind not in "fiu" or not np.all(np.isfinite(values)):
        # Of a column of truth values, or of text that looks like numbers, it is the first row.
        row = next((i for i, value in enumerate(values.tolist()) if not _is_finite(value)), 0)
        cell = "nothing" if values[row] is None else shown(str(values[row]), 40)
        raise FibError(
            f"the column {name} of the table holds values that are no finite numbers, in row "
            f"{row + 1} {cell}; write numbers with a decimal point and no thousands separator, "
            f"fill in missing ones, or leave those rows out"
        )
    return values.astype(np.float64)


def _is_finite(value: object) -> bool:
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def _check(name: str, numbers: dict[str, np.ndarray], allowed: np.ndarray, words: str) -> None:
    if not np.all(allowed):
        row = int(np.argmin(allowed))
        raise FibError(
            f"{name} in row {row + 1} of the table is {numbers[name][row]:g}; allowed is {words}: "
            f"correct it, or leave the row out"
        )
