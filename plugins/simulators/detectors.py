"""The detectors of simulated images: those that are built in, and windows of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from fib_plugins.electrons.electron import Detector

Share = Annotated[float, Field(ge=0, le=1)]
Degrees = Annotated[float, Field(ge=0, le=180)]


class DetectorWindow(BaseModel):
    """A detector of fast electrons: those that it counts."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Annotated[str, Field(min_length=1, max_length=40)] = Field(
        description="name of the detector, which is part of the names of its channels"
    )
    energy: tuple[Share, Share] = Field(
        default=(0.0, 1.0),
        description="window of energies that count, [low, high], as fractions of the beam energy",
    )
    polar_deg: tuple[Degrees, Degrees] = Field(
        default=(0.0, 180.0),
        description="window of angles from the way back along the beam that count, degrees",
    )


class InLens(BaseModel):
    """The detector in the objective lens: secondary electrons, and fast ones that lost little.

    No acceptance of such a detector is published; these are parameters, not measurements.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    energy: tuple[Share, Share] | None = Field(
        default=(0.8, 1.0),
        description="window of energies of the fast electrons that count, [low, high], as "
        "fractions of the beam energy; null: none",
    )
    polar_deg: tuple[Degrees, Degrees] = Field(
        default=(0.0, 60.0),
        description="window of angles from the way back along the beam, degrees, for secondary "
        "and for fast electrons",
    )
    depth_nm: Annotated[float, Field(gt=0)] | None = Field(
        default=500.0,
        description="depth in a pore from which the share of the secondary electrons that count "
        "has fallen to 1/e, of those that come out, nm; null: all count",
    )

    @model_validator(mode="after")
    def _check(self) -> InLens:
        for name, window in (("energy", self.energy), ("polar_deg", self.polar_deg)):
            if window is not None and not window[0] < window[1]:
                raise ValueError(
                    f"in_lens has {name} [{window[0]:g}, {window[1]:g}]: give [low, high], low "
                    f"below high"
                )
        return self


AnyDetector = Literal["bse", "se", "in_lens"] | DetectorWindow


def name_of(detector: AnyDetector) -> str:
    """Return the name of a detector, which its channels carry."""
    return detector if isinstance(detector, str) else detector.name


def detector_of(detector: AnyDetector, bse: DetectorWindow, in_lens: InLens) -> Detector:
    """Return what a detector counts, for the transport of electrons.

    Args:
        detector: the detector.
        bse: the window of ``bse``.
        in_lens: what ``in_lens`` counts.
    """
    from fib_plugins.electrons.electron import Detector

    if detector == "se":
        return Detector(None, secondary_polar_deg=(0.0, 180.0))
    if detector == "in_lens":
        return Detector(in_lens.energy, in_lens.polar_deg, in_lens.polar_deg, in_lens.depth_nm)
    window = bse if isinstance(detector, str) else detector
    return Detector(window.energy, window.polar_deg)
