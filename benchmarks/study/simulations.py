"""Ways of imaging one structure that the study compares, and their steps in simulation.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import published

Published = Mapping[int, tuple[float, float, float]]
"""MP (%), MGP (%) and MDS by kV."""

COEFFICIENTS = ("coefficients", "network")
"""Steps that a weighted projection needs, once."""


@dataclass(frozen=True)
class Simulation:
    """A way of imaging a structure.

    Attributes:
        words: its name on the page.
        images: the step with its images.
        network: the segmenters trained on them, as in ``unet_smc`` and ``twin_by_smc``.
        agreement: the step that compares its network with that of Monte Carlo, on the twin.
        gap: the step that compares its images with those of Monte Carlo.
        made_by: the steps that make its images.
        learned_by: the steps that it learns in, once for all structures.
        paper: results of the paper for networks trained and tested on such images, by kV.
    """

    words: str
    images: str
    network: str
    agreement: str
    gap: str
    made_by: tuple[str, ...]
    learned_by: tuple[str, ...] = ()
    paper: Published | None = None

    @property
    def by_itself(self) -> str:
        """The step in which its network segments its images."""
        return f"{self.images}_by_{self.network}"


MONTE_CARLO = Simulation(
    "sMC", "mc", "smc", agreement="", gap="mc_gap", made_by=("mc",), paper=published.TABLE_3_PLAIN
)
PRINTED = Simulation(
    "sML as printed", "printed", "printed", agreement="agreement_printed", gap="printed_gap",
    made_by=("printed_weighted", "printed"), learned_by=(*COEFFICIENTS, "printed_gan"),
    paper=published.TABLE_2,
)  # fmt: skip
ML = Simulation(
    "sML", "sml", "sml", agreement="agreement", gap="sml_gap",
    made_by=("weighted", "matched", "sml"), learned_by=(*COEFFICIENTS, "matching", "sml_gan"),
    paper=published.TABLE_2,
)  # fmt: skip
SURROGATE = Simulation(
    "surrogate", "surrogate", "surrogate", agreement="agreement_surrogate", gap="surrogate_gap",
    made_by=("surrogate",),
)  # fmt: skip

LEARNED = (PRINTED, ML, SURROGATE)
SIMULATIONS = (MONTE_CARLO, *LEARNED)
