"""Materials of phases, and the properties that electron physics derives from them."""

from __future__ import annotations

from functools import cached_property
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fibcore.elements import Element, elements
from fibcore.errors import did_you_mean

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Material(BaseModel):
    """A homogeneous material: composition and density.

    ``Material(name="silica", composition={"Si": 1, "O": 2}, density_g_cm3=2.2)``
    """

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    name: str = Field(min_length=1, description="name in pipelines and results")
    composition: dict[str, float] = Field(
        description="element symbol -> amount, in any unit of the chosen basis (it is normalised); "
        "empty for vacuum"
    )
    basis: Literal["atoms", "weight"] = Field(
        default="atoms", description="whether amounts are numbers of atoms or weights"
    )
    density_g_cm3: float = Field(ge=0, description="density, g/cm3; 0 only for vacuum")
    source: str = Field(default="", description="source of composition and density")
    stopping_ev_per_nm: tuple[tuple[_Positive, _Positive], ...] = Field(
        default=(),
        description="stopping power of the material, in place of a model's: rows of electron "
        "energy in eV and energy loss per length in eV/nm, by increasing energy",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for symbol, amount in self.composition.items():
            if symbol not in elements():
                raise ValueError(
                    f"composition of {self.name}: {symbol!r} is not the symbol of an element."
                    + did_you_mean(symbol, elements())
                )
            if not amount > 0:
                raise ValueError(
                    f"composition of {self.name}: {symbol} is {amount}; leave it out or give a "
                    f"positive amount"
                )
        if bool(self.composition) != (self.density_g_cm3 > 0):
            raise ValueError(
                f"{self.name}: density {self.density_g_cm3} g/cm3 with composition "
                f"{self.composition}; a material has both, vacuum neither"
            )
        self._check_stopping()
        return self

    def _check_stopping(self) -> None:
        rows = self.stopping_ev_per_nm
        if not rows:
            return
        if not self.composition:
            raise ValueError(
                f"{self.name}: a stopping table without a composition; give the composition and "
                f"density, or leave the table out"
            )
        if len(rows) < 2:
            raise ValueError(f"{self.name}: a stopping table of one row; give at least two")
        for (before, _), (after, _) in pairwise(rows):
            if after <= before:
                raise ValueError(
                    f"{self.name}: stopping table with {after} eV after {before} eV; give its rows "
                    f"by increasing energy"
                )

    @classmethod
    def of_element(cls, entry: Element) -> Self:
        """Return the pure element as a material."""
        return cls(
            name=entry.symbol,
            composition={entry.symbol: 1.0},
            density_g_cm3=entry.density_g_cm3,
            source="fibcore.elements",
        )

    @cached_property
    def weight_fractions(self) -> dict[str, float]:
        """Element symbol -> weight fraction; sums to 1 (empty for vacuum)."""
        table = elements()
        weigh = self.basis == "atoms"
        weights = {
            symbol: amount * (table[symbol].atomic_weight_g_mol if weigh else 1.0)
            for symbol, amount in self.composition.items()
        }
        total = sum(weights.values())
        return {symbol: weight / total for symbol, weight in weights.items()}

    @cached_property
    def mean_atomic_number(self) -> float:
        """Mean Z weighted by weight fractions; 0 for vacuum.

        This mean (Castaing's; Goldstein et al., Scanning Electron Microscopy and X-ray
        Microanalysis, eq. 2.15) is the one for which backscatter follows a single curve in Z.
        """
        table = elements()
        return sum(w * table[s].atomic_number for s, w in self.weight_fractions.items())


EPOXY = Material(
    name="epoxy",
    composition={"C": 21, "H": 24, "O": 4},
    density_g_cm3=1.2,
    source="DGEBA resin, C21 H24 O4",
)
GOLD = Material.of_element(elements()["Au"])
VACUUM = Material(name="vacuum", composition={}, density_g_cm3=0.0)
