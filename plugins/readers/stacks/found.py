"""Voxel size, voltages and detectors found in the metadata of a file, and their origin."""

from __future__ import annotations

from dataclasses import dataclass

COARSEST_NM = 20_000.0
"""Print resolutions (72 dpi is 352 778 nm, 1200 dpi 21 167 nm) are not voxel sizes of a SEM."""

NAMES = "names of the slices"
"""Origin of values found in the names of slices rather than in tags."""


@dataclass(frozen=True)
class Found:
    """Values found in one kind of tag.

    Attributes:
        origin: name of the tag in messages.
        voxel_size_nm: (z, y, x) in nm, None if not given.
        kv: accelerating voltage of each channel in kV; empty if not given.
        data_bar_from: first row of the data bar below the image, if there is one.
        remarks: remarks on values of the tag that are unknown or impossible.
        detectors: detector of each channel, None if unknown; empty if not given.
    """

    origin: str
    voxel_size_nm: tuple[float | None, float | None, float | None] = (None, None, None)
    kv: tuple[float | None, ...] = ()
    data_bar_from: int | None = None
    remarks: tuple[str, ...] = ()
    detectors: tuple[str | None, ...] = ()

    @property
    def who(self) -> str:
        """Name of the origin for messages."""
        return self.origin if self.origin == NAMES else f"{self.origin} tags"


def of_resolution(
    origin: str, per_unit: tuple[float, float] | None, unit_nm: float | None
) -> Found:
    """Return the pixel size of a resolution, unless it is one for printing.

    Args:
        origin: name of the tag in messages.
        per_unit: pixels per unit along (x, y); None without the tag.
        unit_nm: the unit in nm; None if it is not a unit of length.
    """
    if per_unit is None:
        return Found(origin)
    x, y = inverse(per_unit[0], unit_nm), inverse(per_unit[1], unit_nm)
    if x is None or y is None or max(x, y) > COARSEST_NM:
        return Found(origin)
    return Found(origin, (None, y, x))


def inverse(per_unit: float, unit_nm: float | None) -> float | None:
    """Return the size in nm for a number per unit; None if the number is not positive."""
    return unit_nm / per_unit if unit_nm is not None and 0 < per_unit < float("inf") else None
