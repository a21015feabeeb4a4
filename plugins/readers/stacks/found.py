"""What a file states about its voxel size and accelerating voltage, and what states it."""

from __future__ import annotations

from dataclasses import dataclass

COARSEST_NM = 20_000.0
"""Print resolutions (72 dpi is 352 778 nm, 1200 dpi 21 167 nm) are no voxel sizes of a SEM."""

NAMES = "names of the slices"
"""Origin of what no tag says but the names of slices do."""


@dataclass(frozen=True)
class Found:
    """What one kind of tag says.

    Attributes:
        origin: the tag, as a message names it.
        voxel_size_nm: (z, y, x) in nm, None where it is not said.
        kv: accelerating voltage of each channel in kV; empty where it is not said.
        data_bar_from: first row of the data bar below the image, where there is one.
        remarks: what the tag says that is not understood, or cannot be.
    """

    origin: str
    voxel_size_nm: tuple[float | None, float | None, float | None] = (None, None, None)
    kv: tuple[float | None, ...] = ()
    data_bar_from: int | None = None
    remarks: tuple[str, ...] = ()

    @property
    def who(self) -> str:
        """What says it, for a message."""
        return self.origin if self.origin == NAMES else f"{self.origin} tags"


def of_resolution(
    origin: str, per_unit: tuple[float, float] | None, unit_nm: float | None
) -> Found:
    """Return the pixel size that a resolution means, unless it is one for printing.

    Args:
        origin: the tag, as a message names it.
        per_unit: pixels per unit along (x, y); None without the tag.
        unit_nm: the unit in nm; None for no unit of length.
    """
    if per_unit is None:
        return Found(origin)
    x, y = inverse(per_unit[0], unit_nm), inverse(per_unit[1], unit_nm)
    if x is None or y is None or max(x, y) > COARSEST_NM:
        return Found(origin)
    return Found(origin, (None, y, x))


def inverse(per_unit: float, unit_nm: float | None) -> float | None:
    """Return the size in nm of what comes so often in a unit; None for no positive number."""
    return unit_nm / per_unit if unit_nm is not None and 0 < per_unit < float("inf") else None
