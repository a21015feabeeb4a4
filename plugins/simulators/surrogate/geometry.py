"""The part of a structure that determines a pixel, at resolutions that fall with the distance.

Electrons spread out while they go down: the deeper a voxel lies, the less its exact place matters.
A pixel is therefore predicted from a pyramid of label planes. Each level shows the same number of
planes below the face, of voxels twice as large as those of the level before, so that some levels
show all that electrons can reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

DILATIONS, COARSEST = (1, 2, 3), (1, 1, 1)
"""Distances between the points of the 3 x 3 convolutions of a level, one after the other; of the
coarsest level, which needs no more reach."""
MOST_LEVELS = 7
CUBIC = 1.5
"""Voxels are pooled along the axes along which they are at most so many times the shortest edge."""


@dataclass(frozen=True)
class Geometry:
    """The levels of a pyramid.

    Attributes:
        planes: number of planes that each level shows.
        scales: edges of the voxels of each level along z, y, x, in voxels of the structure; those
            of level 0 are (1, 1, 1).
    """

    planes: int
    scales: tuple[tuple[int, int, int], ...]

    @classmethod
    def of(cls, planes: int, voxel_size_nm: Sequence[float], depth_nm: float) -> Geometry:
        """Return the geometry that shows at least `depth_nm` below a face."""
        scales = [(1, 1, 1)]
        while len(scales) < MOST_LEVELS and planes * scales[-1][0] * voxel_size_nm[0] < depth_nm:
            edges = np.multiply(scales[-1], voxel_size_nm)
            pooled = np.where(edges <= CUBIC * edges.min(), 2, 1)
            z, y, x = (int(n) for n in np.multiply(scales[-1], pooled))
            scales.append((z, y, x))
        return cls(planes, tuple(scales))

    @cached_property
    def dilations(self) -> list[tuple[int, int, int]]:
        """Dilations of the convolutions of each level."""
        finer = len(self.scales) - 1
        return [DILATIONS] * finer + [COARSEST if finer else DILATIONS]

    @cached_property
    def steps(self) -> list[tuple[int, int, int]]:
        """Factors along z, y, x by which each level is coarser than the one before it."""
        return [
            (b[0] // a[0], b[1] // a[1], b[2] // a[2])
            for a, b in zip(self.scales, self.scales[1:], strict=False)
        ]

    @property
    def depth(self) -> int:
        """Number of slices that determine a pixel, its own included."""
        return self.planes * self.scales[-1][0]

    @property
    def grain(self) -> tuple[int, int]:
        """Edges of a voxel of the coarsest level along y and x; windows begin at its multiples."""
        return self.scales[-1][1:]

    @cached_property
    def crops(self) -> list[tuple[int, int]]:
        """Pixels of each level, along y and x, that its features reach beyond the window.

        Level 0 gives the window itself; a coarser level what the convolutions of the finer one and
        the interpolation between them need.
        """
        found = [(0, 0)]
        for (_, *steps), dilations in zip(self.steps, self.dilations, strict=False):
            wanted = [edge + sum(dilations[1:]) for edge in found[-1]]
            found.append(tuple(-(-n // s) + 1 for n, s in zip(wanted, steps, strict=True)))  # type: ignore[arg-type]
        return found

    @cached_property
    def margins(self) -> list[tuple[int, int]]:
        """Pixels of each level, along y and x, that its planes reach beyond the window."""
        reach = map(sum, self.dilations)
        return [(y + n, x + n) for (y, x), n in zip(self.crops, reach, strict=True)]

    @property
    def margin(self) -> tuple[int, int]:
        """Pixels of the structure along y and x beyond a window that are needed: whole grains."""
        widest = []
        for axis in (0, 1):
            grain = self.grain[axis]
            each = (m[axis] * s[axis + 1] for m, s in zip(self.margins, self.scales, strict=True))
            widest.append(-(-max(each) // grain) * grain)
        return widest[0], widest[1]
