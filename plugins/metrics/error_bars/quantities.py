"""The quantities that get error bars: name, unit, scale, and the sums that they are ratios of."""

from __future__ import annotations

from dataclasses import dataclass

from fib_plugins.metrics.error_bars.scales import LOG, LOGIT, Scale

SUMS = ("voxels", "solid", "surface", "islands", "ligament_nm", "pore_nm", "pore")
"""What is summed over a block: its voxels; those of the solid; its voxels times its specific
surface in 1/nm; solid voxels outside the largest component of the volume; local thickness of the
solid, and of the pore, over its voxels in nm; voxels of the pore."""


@dataclass(frozen=True)
class Quantity:
    """A figure of a structure: a ratio of two of `SUMS`, perhaps subtracted from 1.

    Attributes:
        name: name in tables.
        unit: unit in tables, empty for a number.
        scale: the scale of its errors.
        numerator: one of `SUMS`.
        denominator: another one.
        complement: whether the figure is 1 minus the ratio.
    """

    name: str
    unit: str
    scale: Scale
    numerator: str
    denominator: str
    complement: bool = False


QUANTITIES = (
    Quantity("solid_fraction", "", LOGIT, "solid", "voxels"),
    Quantity("specific_surface", "1/nm", LOG, "surface", "voxels"),
    Quantity("ligament_diameter", "nm", LOG, "ligament_nm", "solid"),
    Quantity("pore_diameter", "nm", LOG, "pore_nm", "pore"),
    Quantity("connectivity", "", LOGIT, "islands", "solid", complement=True),
)
"""Of the structure, as `metric/morphology` defines them; connectivity is the share of the solid in
its largest component."""


@dataclass(frozen=True)
class Score:
    """A score of a segmentation against the truth, which is unknown for a measured stack.

    Attributes:
        name: name in tables.
        unit: unit in tables.
        column: column of `metric/overlap`.
        whole: the score of a segmentation that is all wrong, or of one that is all right.
        complement: whether it counts what is right: the error is `whole` minus the score.
    """

    name: str
    unit: str
    column: str
    whole: float
    complement: bool = False

    def error(self, score: float) -> float:
        """Return the score as a share of errors, 0 to 1."""
        share = score / self.whole
        return 1.0 - share if self.complement else share

    def of_error(self, share: float) -> float:
        """Return the score of a share of errors."""
        return self.whole * (1.0 - share if self.complement else share)


SCORES = (
    Score("mp", "%", "mp_percent", 100.0),
    Score("mgp", "%", "mgp_percent", 100.0),
    Score("mds", "", "mds", 1.0, complement=True),
)
"""As `metric/overlap` defines them: misplaced voxels, misplaced solid, mean Dice score."""
