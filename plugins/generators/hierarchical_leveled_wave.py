"""Hierarchical leveled wave: ligaments that are porous themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from fib_plugins.generators.ligament_diameter import wave_number_of
from fib_plugins.generators.wave_structure import WaveStructure
from fibcore.context import Context
from fibcore.params import Count, Fraction, PositiveNm
from fibcore.plugin import Forecast
from fibcore.volumes import Labels

LEVELS = ("upper", "lower")


class HierarchicalLeveledWave(WaveStructure):
    """Hierarchical bicontinuous structure: small ligaments inside the ligaments of a large one.

    Two independent leveled waves; the solid is where both are solid, as in hierarchical
    nanoporous gold (Shi, Li, Ngo-Dinh, Markmann, Weissmueller, Science 371 (2021) 1026), each
    level after Soyarslan et al., Acta Mater. 149 (2018) 326. The solid fraction of the whole is
    the product of the two.

    The ligament diameter of a level is that of `generator/leveled_wave` with its solid fraction:
    of the upper level with its pores filled, of the lower level as if it filled all space.
    """

    name: ClassVar[str] = "hierarchical_leveled_wave"

    ligament_diameters_nm: tuple[PositiveNm, PositiveNm] = Field(
        description="mean ligament diameters [upper, lower]"
    )
    solid_fractions: tuple[Fraction, Fraction] = Field(
        default=(0.5, 0.5),
        description="solid fractions [upper, lower]; that of the lower level is counted within "
        "the ligaments of the upper",
    )
    waves: tuple[Count, Count] = Field(
        default=(10_000, 10_000), description="numbers of plane waves [upper, lower]"
    )

    @model_validator(mode="after")
    def _upper_is_larger(self) -> Self:
        upper, lower = self.ligament_diameters_nm
        if upper <= lower:
            raise ValueError(
                f"ligament_diameters_nm are [upper, lower], the larger first; [{upper:g}, "
                f"{lower:g}] is not: write [{lower:g}, {upper:g}], or use generator/leveled_wave "
                f"for a single level"
            )
        return self

    @property
    def wave_numbers(self) -> tuple[float, float]:
        """Wave numbers (upper, lower) in rad/nm."""
        upper, lower = map(wave_number_of, self.ligament_diameters_nm, self.solid_fractions)
        return (upper, lower)

    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        """Return the structure: phase 1 where both fields are below their levels.

        Raises:
            FibError: too few waves fit a periodic box.
        """
        context = Context.of(context, seed)
        labels = self._all_solid(context)
        levels = zip(LEVELS, self.wave_numbers, self.solid_fractions, self.waves, strict=True)
        for name, wave_number, fraction, waves in levels:
            self._carve(labels, wave_number, fraction, waves, context.rng_for(name), context)
        return self._labels(labels)

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return shape and memory; refuse a periodic box that too few waves fit."""
        forecast = super().forecast(method, inputs)
        levels = zip(self.wave_numbers, self.ligament_diameters_nm, strict=True)
        return self._with_sizes(forecast, list(levels))
