"""Voronoi and Laguerre cells in a periodic box: exact volumes, faces and edges.

The cell of seed i with weight w_i is where the power |x - s_i|^2 - w_i is the smallest
(Aurenhammer, SIAM J. Comput. 16 (1987) 78); with equal weights it is the Voronoi cell. With every
seed lifted to (s, |s|^2 - w) in four dimensions, the lower facets of the convex hull are the
tetrahedra of the regular triangulation: their hyperplanes give the corners of the cells, pairs of
neighbours their edges.

A cell is a sum of signed tetrahedra: seed, foot of the perpendicular on a face, both ends of an
edge of this face. Volumes, centroids and areas are sums over them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fibcore.errors import FibError

FIRST_MARGIN = 2.7
"""Width of the images around the box at first, in mean distances of seeds."""
WIDEST_MARGIN = 30.0
FEWEST_SEEDS = 8


@dataclass(frozen=True, eq=False)
class PowerDiagram:
    """The cells of seeds in a periodic box; lengths in the unit of the seeds.

    Faces are listed cell by cell, each twice: once for either cell.

    Attributes:
        seeds: (cells, 3), within the box.
        period: edges (3,) of the box.
        volumes: (cells,); 0 for a cell without volume.
        centroids: (cells, 3), near the seeds and perhaps outside the box; the seed of a cell
            without volume.
        starts: (cells + 1,), first face of each cell.
        neighbours: (faces,), cell on the other side.
        shifts: (faces, 3), periods from the seed of this number to the one on the other side.
        normals: (faces, 3), unit vectors outwards.
        offsets: (faces,), the plane is where normal . x is the offset.
        areas: (faces,).
        edges: (edges, 2, 3), both ends of each edge, once per period.
        edge_length: total length of edges in the box.
    """

    seeds: np.ndarray
    period: np.ndarray
    volumes: np.ndarray
    centroids: np.ndarray
    starts: np.ndarray
    neighbours: np.ndarray
    shifts: np.ndarray
    normals: np.ndarray
    offsets: np.ndarray
    areas: np.ndarray
    edges: np.ndarray
    edge_length: float

    @classmethod
    def of(
        cls, seeds: np.ndarray, period: np.ndarray, weights: np.ndarray | None = None
    ) -> PowerDiagram:
        """Return the cells of seeds.

        Args:
            seeds: (cells, 3), at least 8.
            period: edges (3,) of the periodic box.
            weights: (cells,), squares of radii; default: all equal.

        Raises:
            FibError: too few seeds, or seeds too unevenly spread.
        """
        if len(seeds) < FEWEST_SEEDS:
            raise FibError(f"{len(seeds)} cells; at least {FEWEST_SEEDS} are needed")
        seeds = np.mod(seeds, period)
        weights = np.zeros(len(seeds)) if weights is None else weights - weights.max()
        distance = float(np.prod(period) / len(seeds)) ** (1 / 3)
        margin = FIRST_MARGIN
        while margin < WIDEST_MARGIN:
            found = _Triangulation(seeds, period, weights, margin * distance)
            if found.complete:
                return found.diagram()
            margin *= 1.4
        raise FibError("the seeds of the cells are spread too unevenly; use more of them")

    @property
    def surface(self) -> float:
        """Total area of the faces in the box, each counted once."""
        return float(self.areas.sum() / 2)

    @property
    def mean_faces(self) -> float:
        """Mean number of faces of a cell."""
        return len(self.areas) / np.count_nonzero(self.volumes > 0)

    @property
    def owners(self) -> np.ndarray:
        """Cell of each face."""
        return np.repeat(np.arange(len(self.seeds)), np.diff(self.starts))


class _Triangulation:
    """The regular triangulation of seeds and their images around the box."""

    def __init__(
        self, seeds: np.ndarray, period: np.ndarray, weights: np.ndarray, margin: float
    ) -> None:
        from scipy.spatial import ConvexHull

        self.seeds, self.period, self.count = seeds, period, len(seeds)
        reach = np.ceil(margin / period).astype(int)
        steps = np.stack(
            np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1
        ).reshape(-1, 3)
        steps = steps[np.any(steps != 0, axis=1)]
        points, origin, shifts = [seeds], [np.arange(self.count)], [np.zeros((self.count, 3), int)]
        for step in steps:
            image = seeds + step * period
            inside = np.flatnonzero(((image > -margin) & (image < period + margin)).all(axis=1))
            points.append(image[inside])
            origin.append(inside)
            shifts.append(np.broadcast_to(step, (len(inside), 3)))
        self.origin = np.concatenate(origin)
        self.shifts = np.concatenate(shifts)
        self.weights = weights[self.origin]
        # Relative to the middle, in units of the mean distance: the hull is better conditioned.
        self.unit = float(np.prod(period) / self.count) ** (1 / 3)
        self.middle = period / 2
        self.points = (np.concatenate(points) - self.middle) / self.unit
        scaled = self.weights / self.unit**2
        lifted = np.column_stack([self.points, (self.points**2).sum(axis=1) - scaled])
        hull = ConvexHull(lifted)
        lower = hull.equations[:, 3] < -1e-12
        number = np.full(len(lower), -1)
        number[lower] = np.arange(np.count_nonzero(lower))
        planes = hull.equations[lower]
        self.corners = -planes[:, :3] / (2 * planes[:, 3:4])
        power = -planes[:, 4] / planes[:, 3] + (self.corners**2).sum(axis=1)
        self.tetrahedra = hull.simplices[lower]
        neighbours = hull.neighbors[lower]
        self.neighbours = np.where(neighbours < 0, -1, number[neighbours])
        # No seed beyond the margin may lie within the sphere of a corner of our cells.
        ours = (self.tetrahedra < self.count).any(axis=1)
        radius = np.sqrt(np.maximum(power[ours] + scaled.max(), 0))[:, None]
        edge = (self.period / 2 + margin) / self.unit
        self.complete = bool((np.abs(self.corners[ours]) + radius <= edge).all())

    def diagram(self) -> PowerDiagram:
        """Return the cells of the seeds."""
        tetrahedron, side = np.nonzero(self.neighbours > np.arange(len(self.neighbours))[:, None])
        other = self.neighbours[tetrahedron, side]
        triangles = np.stack(
            [self.tetrahedra[tetrahedron, (side + step) % 4] for step in (1, 2, 3)], axis=1
        )
        mine = (triangles < self.count).any(axis=1)
        triangles, ends = triangles[mine], np.stack([tetrahedron[mine], other[mine]], axis=1)
        ends_at = self.corners[ends]
        pieces = [
            self._pieces(triangles[:, list(order)], ends_at)
            for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
        ]
        cell, neighbour, area, volume, moment = (
            np.concatenate(each) for each in zip(*pieces, strict=True)
        )
        volumes = np.bincount(cell, volume, self.count)
        moments = np.stack(
            [np.bincount(cell, moment[:, axis], self.count) for axis in range(3)], axis=1
        )
        full = volumes > 1e-12
        centroids = self.points[: self.count].copy()
        centroids[full] = moments[full] / volumes[full, None]
        faces, place = np.unique(cell * len(self.points) + neighbour, return_inverse=True)
        areas = np.bincount(place, area)
        cells, neighbours = np.divmod(faces, len(self.points))
        keep = areas > 1e-12
        cells, neighbours, areas = cells[keep], neighbours[keep], areas[keep]
        normals, offsets = self._planes(cells, neighbours)
        lengths = np.linalg.norm(ends_at[:, 1] - ends_at[:, 0], axis=1)
        shared = (triangles < self.count).sum(axis=1)
        return PowerDiagram(
            seeds=self.seeds,
            period=self.period,
            volumes=np.where(full, volumes, 0) * self.unit**3,
            centroids=centroids * self.unit + self.middle,
            starts=np.searchsorted(cells, np.arange(self.count + 1)),
            neighbours=self.origin[neighbours],
            shifts=self.shifts[neighbours],
            normals=normals,
            offsets=offsets * self.unit + normals @ self.middle,
            areas=areas * self.unit**2,
            edges=ends_at[self._once(triangles)] * self.unit + self.middle,
            edge_length=float(lengths @ shared) / 3 * self.unit,
        )

    def _planes(self, cells: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return unit normal and offset of the face between each two seeds."""
        first, second = self.points[cells], self.points[others]
        away = second - first
        length = np.linalg.norm(away, axis=1)
        scaled = self.weights / self.unit**2
        power = (second**2).sum(axis=1) - (first**2).sum(axis=1) - scaled[others] + scaled[cells]
        return away / length[:, None], power / (2 * length)

    def _pieces(
        self, triangles: np.ndarray, ends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return what each edge adds to the face between the first two seeds of its triangle.

        Only to cells of the box: cell, neighbour, area, volume and first moment.
        """
        inside = triangles[:, 0] < self.count
        (cell, neighbour, third), ends = triangles[inside].T, ends[inside]
        normal, offset = self._planes(cell, neighbour)
        seed = self.points[cell]
        height = offset - (normal * seed).sum(axis=1)
        foot = seed + height[:, None] * normal
        out = self.points[third] - seed
        out -= (out * normal).sum(axis=1)[:, None] * normal
        out /= np.linalg.norm(out, axis=1)[:, None]
        away = ((ends[:, 0] - foot) * out).sum(axis=1)
        area = 0.5 * np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1) * away
        volume = area * height / 3
        moment = volume[:, None] * (seed + foot + ends[:, 0] + ends[:, 1]) / 4
        return cell, neighbour, area, volume, moment

    def _once(self, triangles: np.ndarray) -> np.ndarray:
        """Return which edges to keep so that each is listed once per period.

        It is the one whose seed of lowest number lies in the box.
        """
        lowest = np.argmin(self.origin[triangles], axis=1)
        kept: np.ndarray = triangles[np.arange(len(triangles)), lowest] < self.count
        return kept
