"""Exact distances of voxels from the faces and from the edges of cells."""

from __future__ import annotations

import numpy as np

from fib_plugins.cells.power_diagram import PowerDiagram
from fib_plugins.compiled import compiled

Triple = tuple[float, float, float]


class FaceDistance:
    """Distance of each voxel from the nearest face of its cell, and the number of the cell.

    A cell is convex: the nearest of its faces is that with the nearest plane. The cell of a voxel
    is found from that of its neighbour by stepping through faces, each time to a seed of lower
    power.

    Args:
        diagram: the cells.
        voxel_size: (z, y, x), in the unit of the diagram's seeds times `stretch`.
        origin: place (3,) of the corner of voxel 0, before stretching.
        stretch: factors (z, y, x) by which the cells are stretched.
    """

    def __init__(
        self, diagram: PowerDiagram, voxel_size: Triple, origin: np.ndarray, stretch: Triple
    ) -> None:
        normals = diagram.normals / np.asarray(stretch)
        lengths = np.linalg.norm(normals, axis=1)
        self._normals = normals / lengths[:, None]
        self._offsets = diagram.offsets / lengths
        self._periods = diagram.period * stretch
        self._origin = origin * stretch
        self._size = np.asarray(voxel_size, float)
        self._starts, self._neighbours = diagram.starts, diagram.neighbours
        self._shifts = diagram.shifts.astype(np.int64)
        self._first = int(np.argmax(diagram.volumes))

    def slab(self, start: int, stop: int, plane: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return distances (float32) and cells (int32) of some slices, (z, y, x).

        Args:
            start: first slice.
            stop: the one after the last.
            plane: voxels (y, x) of a slice.
        """
        distance = np.empty((stop - start, *plane), np.float32)
        cells = np.empty(distance.shape, np.int32)
        _walk(
            distance,
            cells,
            start,
            self._size,
            self._origin,
            self._periods,
            self._starts,
            self._neighbours,
            self._shifts,
            self._normals,
            self._offsets,
            self._first,
        )
        return distance, cells


MOST_STEPS = 100_000
"""Steps of one walk; only rounding errors could make it longer."""


@compiled
def _walk(  # type: ignore[no-untyped-def]
    distance,
    cells,
    first_slice,
    size,
    origin,
    periods,
    starts,
    neighbours,
    shifts,
    normals,
    offsets,
    first_cell,
):
    here = np.zeros(4, np.int64)  # cell, and periods that it is moved by
    at_slice, at_row = np.zeros(4, np.int64), np.zeros(4, np.int64)
    at_slice[0] = first_cell
    for z in range(distance.shape[0]):
        for i in range(4):
            at_row[i] = at_slice[i]
        for y in range(distance.shape[1]):
            for i in range(4):
                here[i] = at_row[i]
            for x in range(distance.shape[2]):
                nearest = 0.0
                for _ in range(MOST_STEPS):
                    at_z = origin[0] + (first_slice + z + 0.5) * size[0] - here[1] * periods[0]
                    at_y = origin[1] + (y + 0.5) * size[1] - here[2] * periods[1]
                    at_x = origin[2] + (x + 0.5) * size[2] - here[3] * periods[2]
                    nearest, through = np.inf, -1
                    for face in range(starts[here[0]], starts[here[0] + 1]):
                        away = offsets[face] - (
                            normals[face, 0] * at_z
                            + normals[face, 1] * at_y
                            + normals[face, 2] * at_x
                        )
                        if away < nearest:
                            nearest, through = away, face
                    if nearest >= 0.0:
                        break
                    here[0] = neighbours[through]
                    for axis in range(3):
                        here[1 + axis] += shifts[through, axis]
                distance[z, y, x] = max(nearest, 0.0)
                cells[z, y, x] = here[0]
                if x == 0:
                    for i in range(4):
                        at_row[i] = here[i]
                        if y == 0:
                            at_slice[i] = here[i]


class EdgeDistance:
    """Distance of each voxel from the nearest edge of any cell, up to a reach.

    With `thickening` n it is divided by sqrt(1 + n (2 s)^4), s the place of the nearest point of
    the edge from its middle (-1/2 to 1/2): the levels are struts that are thicker at their ends.

    Args:
        diagram: the cells.
        box: edges (3,) of the volume, before stretching.
        voxel_size: (z, y, x), in the unit of the diagram's seeds times `stretch`.
        origin: place (3,) of the corner of voxel 0, before stretching.
        stretch: factors (z, y, x) by which the cells are stretched.
        reach: largest distance that is wanted.
        thickening: see above.
    """

    def __init__(
        self,
        diagram: PowerDiagram,
        box: np.ndarray,
        voxel_size: Triple,
        origin: np.ndarray,
        stretch: Triple,
        reach: float,
        thickening: float = 0.0,
    ) -> None:
        self._size, self._reach = np.asarray(voxel_size, float), reach
        self._thickening = thickening
        reach *= (1 + thickening) ** 0.5
        edges = (diagram.edges - origin) * stretch
        period, box = diagram.period * stretch, box * stretch
        found = []
        for steps in np.ndindex(5, 5, 5):
            moved = edges + (np.array(steps) - 2) * period
            low, high = moved.min(axis=1) - reach, moved.max(axis=1) + reach
            found.append(moved[((high > 0) & (low < box)).all(axis=1)])
        self._edges = np.concatenate(found)
        order = np.argsort(self._edges[:, :, 0].min(axis=1), kind="stable")
        self._edges = self._edges[order]
        self._low = self._edges[:, :, 0].min(axis=1) - reach
        self._high = self._edges[:, :, 0].max(axis=1) + reach

    def slab(self, start: int, stop: int, plane: tuple[int, int]) -> np.ndarray:
        """Return distances of some slices, float32 (z, y, x); infinite beyond the reach."""
        distance = np.full((stop - start, *plane), np.inf, np.float32)
        here = (self._low < stop * self._size[0]) & (self._high > start * self._size[0])
        _paint(distance, start, self._edges[here], self._size, self._reach, self._thickening)
        np.sqrt(distance, out=distance)
        return distance


@compiled
def _paint(distance, start, edges, size, highest, thickening):  # type: ignore[no-untyped-def]
    """Lower squared distances to those from each edge, within the reach."""
    reach = highest * np.sqrt(1.0 + thickening)
    slices, rows, columns = distance.shape
    for edge in range(len(edges)):
        az, ay, ax = edges[edge, 0, 0], edges[edge, 0, 1], edges[edge, 0, 2]
        bz, by, bx = edges[edge, 1, 0] - az, edges[edge, 1, 1] - ay, edges[edge, 1, 2] - ax
        square = bz * bz + by * by + bx * bx
        inverse = 1.0 / square if square > 0 else 0.0
        z_low, z_high = min(az, az + bz) - reach, max(az, az + bz) + reach
        first = max(0, int(np.ceil(z_low / size[0] - 0.5)) - start)
        last = min(slices - 1, int(np.floor(z_high / size[0] - 0.5)) - start)
        for z in range(first, last + 1):
            dz = (start + z + 0.5) * size[0] - az
            # The part of the edge that lies within the reach of this slice, along z.
            low, high = 0.0, 1.0
            if abs(bz) > 1e-9 * reach:
                t1, t2 = (dz - reach) / bz, (dz + reach) / bz
                low, high = max(low, min(t1, t2)), min(high, max(t1, t2))
            y1, y2 = ay + low * by, ay + high * by
            x1, x2 = ax + low * bx, ax + high * bx
            row = max(0, int(np.ceil((min(y1, y2) - reach) / size[1] - 0.5)))
            row_end = min(rows - 1, int(np.floor((max(y1, y2) + reach) / size[1] - 0.5)))
            column = max(0, int(np.ceil((min(x1, x2) - reach) / size[2] - 0.5)))
            column_end = min(columns - 1, int(np.floor((max(x1, x2) + reach) / size[2] - 0.5)))
            for y in range(row, row_end + 1):
                dy = (y + 0.5) * size[1] - ay
                for x in range(column, column_end + 1):
                    dx = (x + 0.5) * size[2] - ax
                    share = (dz * bz + dy * by + dx * bx) * inverse
                    share = min(max(share, 0.0), 1.0)
                    ez, ey, ex = dz - share * bz, dy - share * by, dx - share * bx
                    found = ez * ez + ey * ey + ex * ex
                    found /= 1.0 + thickening * (2.0 * share - 1.0) ** 4
                    if found <= highest * highest and found < distance[z, y, x]:
                        distance[z, y, x] = found
