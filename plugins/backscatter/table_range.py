"""The range that a table of coefficients covers, and warnings of values outside."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Self

import numpy as np
from pydantic import Field

from fib_plugins.backscatter.coefficient_table import CoefficientTable
from fibcore import FibError, Material
from fibcore.models import ModelInfo

Limits = tuple[float, float]

TOLERANCE = 1e-3
"""How far, as a fraction, a value may be outside without a warning."""


Pair = Annotated[list[float], Field(min_length=2, max_length=2)]


class RangeInfo(ModelInfo):
    """A `TableRange` in the info of a model."""

    energy_kev: Pair
    atomic_number: Pair
    depth_nm: Pair


@dataclass(frozen=True)
class TableRange:
    """Smallest and largest value of each variable of a table."""

    energy_kev: Limits
    atomic_number: Limits
    depth_nm: Limits

    @classmethod
    def of(cls, table: CoefficientTable) -> Self:
        """Return the range of a table."""
        columns = (table.energy_kev, table.atomic_number, table.depth_nm)
        return cls(*((float(values.min()), float(values.max())) for values in columns))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the range from the result of `to_json`."""
        return cls(**{name: tuple(values[name]) for name in RangeInfo.model_fields})

    def to_json(self) -> dict[str, list[float]]:
        """Return the range as JSON values."""
        return {name: list(limits) for name, limits in asdict(self).items()}

    def clipped_depth_nm(self, depth_nm: np.ndarray) -> np.ndarray:
        """Return depths clipped to the range."""
        return np.clip(depth_nm, *self.depth_nm)

    def warn_outside(
        self, who: str, material: Material, energy_kev: np.ndarray, depth_nm: np.ndarray
    ) -> None:
        """Log a warning for values outside; `who` is the plugin that is used."""
        z = np.array(material.mean_atomic_number)
        warnings = [
            _outside("energies", energy_kev, self.energy_kev, "keV", "an extrapolation"),
            _outside("an atomic number", z, self.atomic_number, "", "an extrapolation"),
            _outside(
                "depths", depth_nm, self.depth_nm, "nm", "the value at the nearest depth inside"
            ),
        ]
        for warning in filter(None, warnings):
            logging.getLogger("fib").warning("%s: eta of %s at %s", who, material.name, warning)


def checked(energy_kev: Any, depth_nm: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return energies and depths as float64 arrays of the same shape.

    Raises:
        FibError: an energy that is not positive, or a negative depth.
    """
    energy, depth = np.broadcast_arrays(
        np.asarray(energy_kev, dtype=np.float64), np.asarray(depth_nm, dtype=np.float64)
    )
    if not np.all(energy > 0):
        raise FibError(f"energy {np.min(energy):g} keV: give beam energies above 0 keV")
    if not np.all(depth >= 0):
        raise FibError(f"depth {np.min(depth):g} nm: give thicknesses from 0 nm upwards")
    return energy, depth


def _outside(what: str, values: np.ndarray, limits: Limits, unit: str, consequence: str) -> str:
    low, high = limits
    outside = np.unique(
        values[(values < low - TOLERANCE * low) | (values > high + TOLERANCE * high)]
    )
    if not outside.size:
        return ""
    given = ", ".join(f"{value:.4g}" for value in outside[:6])
    given += ", ..." if outside.size > 6 else ""
    return f"{what} {given} {unit}".rstrip() + (
        f" is {consequence}; the table covers {low:.4g} to {high:.4g} {unit}".rstrip()
    )
