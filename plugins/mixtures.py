"""Materials that are mixtures finer than a voxel: of several materials, or with pores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from fibcore import FibError, Material
from fibcore.errors import did_you_mean
from fibcore.registry import registry

Share = Annotated[float, Field(gt=0, allow_inf_nan=False)]

RULE = "mixture by volume: density is the mean, composition is weighted by mass"


class Mixture(BaseModel):
    """A material of several others, and perhaps of pores, finer than the path of an electron.

    Density is the mean by volume, rho = sum v_i rho_i. Composition is weighted by mass,
    w_i = v_i rho_i / rho: scattering and energy loss per length are then the means by volume of
    those of the parts (Bragg and Kleeman, Phil. Mag. 10 (1905) 318: contributions of atoms add).

    The electrons thus meet a homogeneous medium. That is right where grains and pores are small
    against their mean free path, and nearly so where they are small against their range. In larger
    pores they fly further than in the medium: give such pores a phase of their own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, description="name in pipelines and results")
    mixture: dict[str, Share] = Field(
        min_length=1,
        description="name of a material -> its share of the volume without pores, in any unit "
        "(shares are normalised)",
    )
    porosity: float = Field(
        default=0.0, ge=0, lt=1, description="share of the volume that is pores"
    )
    filler: str = Field(default="vacuum", description="name of the material that fills the pores")
    source: str = Field(default="", description="source of the shares")
    stopping_ev_per_nm: tuple[tuple[float, float], ...] = Field(
        default=(), description="stopping power of the mixture, as of any material"
    )

    @property
    def shares(self) -> dict[str, float]:
        """Name of a material -> share of the whole volume; they sum to 1."""
        total = sum(self.mixture.values()) / (1.0 - self.porosity)
        shares = {name: share / total for name, share in self.mixture.items()}
        shares[self.filler] = shares.get(self.filler, 0.0) + self.porosity
        return shares

    def material(self) -> Material:
        """Return the effective material.

        Raises:
            ValueError: a part is unknown, or has a stopping table of its own and the mixture none.
        """
        masses: dict[str, float] = {}
        for name, share in self.shares.items():
            try:
                part = registry().material(name)
            except FibError as error:
                raise ValueError(str(error)) from error
            if part.stopping_ev_per_nm and not self.stopping_ev_per_nm:
                raise ValueError(
                    f"{self.name}: {part.name} has a stopping table of its own, which a mixture "
                    f"does not take over; give stopping_ev_per_nm of the mixture"
                )
            for symbol, weight in part.weight_fractions.items():
                masses[symbol] = masses.get(symbol, 0.0) + share * part.density_g_cm3 * weight
        density = sum(masses.values())
        return Material(
            name=self.name,
            composition={symbol: mass / density for symbol, mass in masses.items()},
            basis="weight",
            density_g_cm3=density,
            source=self.source or RULE,
            stopping_ev_per_nm=self.stopping_ev_per_nm,
        )


def material_of(definition: Mapping[str, Any]) -> Material | None:
    """Return the material of a definition with the key ``mixture``; None if it has none.

    Raises:
        ValueError: the definition does not fit `Mixture`.
    """
    if "mixture" not in definition:
        return None
    for name in definition.keys() - Mixture.model_fields.keys():
        raise ValueError(
            f"unknown name {name!r} in a mixture.{did_you_mean(name, Mixture.model_fields)} "
            f"Allowed: {', '.join(Mixture.model_fields)}"
        )
    return Mixture.model_validate(dict(definition)).material()
