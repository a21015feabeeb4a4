"""The sum of plane waves on a grid of voxels, to nearly float64 accuracy and fast.

The field is f(r) = sqrt(2/N) sum_i cos(q_i . r + phi_i) (Soyarslan et al., Acta Mater. 149 (2018)
326, eq. 1): mean 0, variance 1, and Gaussian for many waves. The origin is the centre of the box.

A direct sum costs one cosine per wave and voxel. Two facts make it cheap:

- The field is band-limited. On an axis of half-length h a wave of wave number k is
  exp(i k h t), t in [-1, 1], whose Chebyshev coefficients are 2 i^m J_m(k h); they fall faster than
  exponentially as soon as m exceeds k h. So the field is summed on the Chebyshev nodes of each axis
  only (as few as its bandwidth needs) and interpolated to the voxels by three matrix products.
- A plane wave is a product of one factor per axis. With nodes that lie symmetrically about the
  origin, each wave falls into eight products of cosines and sines, even or odd in each axis, and
  the sum over waves is a matrix product over one octant for each of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import product

import numpy as np

from fib_plugins.generators.plane_waves import PlaneWaves
from fib_plugins.generators.slabs import Slab, in_threads
from fibcore.context import Context, held_bytes
from fibcore.threads import one_blas_thread

Shape = tuple[int, int, int]
Triple = tuple[float, float, float]

WAVE_CHUNK = 1024
"""Waves that are summed in one matrix product: its factors stay in the processor's cache."""


def node_count(bandwidth: float) -> int:
    """Return how many Chebyshev nodes represent waves exp(i K t), t in [-1, 1], |K| <= bandwidth.

    The error of interpolating on n nodes is at most twice the sum of the coefficients left out,
    4 sum_{m >= n} |J_m(K)| (Trefethen, Approximation Theory and Approximation Practice, chapter
    4). Beyond m = K the Bessel function falls on a scale of K^(1/3) (Abramowitz and Stegun
    9.3.23); the rule below keeps the error of one wave below 1e-9. The number is even.
    """
    nodes = int(np.ceil(bandwidth + 8 * bandwidth ** (1 / 3) + 12))
    return nodes + nodes % 2


@dataclass(frozen=True, eq=False)
class Axis:
    """The nodes along one axis at which the field is summed, and its interpolation to voxels.

    Attributes:
        half: coordinates of the nodes on the non-negative half, nm; the others mirror them.
        matrix: (voxels, nodes), nodes in the order ``[half, -half]``.
    """

    half: np.ndarray
    matrix: np.ndarray


@one_blas_thread
def axis_of(voxels: int, voxel_nm: float, wave_number: float) -> Axis:
    """Return the nodes of an axis: Chebyshev, or the voxels themselves where they are fewer.

    Args:
        voxels: number of voxels along the axis.
        voxel_nm: their size.
        wave_number: largest component of any wave vector along the axis, rad/nm.
    """
    centres = voxel_centres(voxels, voxel_nm)
    reach = centres[-1]
    nodes = node_count(wave_number * reach)
    if nodes >= voxels:
        half = centres[voxels // 2 :]
        matrix = np.zeros((voxels, 2 * len(half)))
        upper, lower = np.arange(voxels // 2, voxels), np.arange(voxels // 2)
        matrix[upper, np.arange(len(half))] = 1.0
        matrix[lower, len(half) + voxels - 1 - lower - voxels // 2] = 1.0
        return Axis(half, matrix)
    angles = (np.arange(nodes) + 0.5) * np.pi / nodes
    angles[nodes // 2 :] = np.pi - angles[: nodes // 2]  # [half, -half], exactly symmetric
    orders = np.arange(nodes)
    to_coefficients = np.cos(np.outer(orders, angles)) * (2 / nodes)
    to_coefficients[0] /= 2
    to_voxels = np.cos(np.outer(np.arccos(np.clip(centres / reach, -1, 1)), orders))
    return Axis(reach * np.cos(angles[: nodes // 2]), to_voxels @ to_coefficients)


def voxel_centres(voxels: int, voxel_nm: float) -> np.ndarray:
    """Return the coordinates of voxel centres in nm, symmetric about 0."""
    return (np.arange(voxels) - (voxels - 1) / 2) * voxel_nm


def direct_sum(waves: PlaneWaves, points_nm: np.ndarray) -> np.ndarray:
    """Return the field at points, directly from its definition; for tests.

    Args:
        waves: the waves.
        points_nm: coordinates (points, 3) along (z, y, x) from the centre of the box.
    """
    field = np.zeros(len(points_nm))
    for start in range(0, len(waves), WAVE_CHUNK):
        part = slice(start, start + WAVE_CHUNK)
        field += np.cos(points_nm @ waves.vectors[part].T + waves.phases[part]).sum(axis=1)
    return field * np.sqrt(2 / len(waves))


class WaveField:
    """The field of a set of waves on a grid of voxels.

    It holds the field at its nodes, in a file if they are many, and returns slabs of voxels on
    request, the same bytes each time.

    Args:
        waves: the waves.
        shape: voxels along (z, y, x).
        voxel_size_nm: (z, y, x).
        context: number of threads, and progress.
        name: of the array of the nodes, one for each field that is used at the same time.
    """

    def __init__(
        self,
        waves: PlaneWaves,
        shape: Shape,
        voxel_size_nm: Triple,
        context: Context,
        name: str = "nodes",
    ) -> None:
        largest = np.abs(waves.vectors).max(axis=0)
        self._axes = [axis_of(*each) for each in zip(shape, voxel_size_nm, largest, strict=True)]
        self._nodes = _sum_on_nodes(waves, [axis.half for axis in self._axes], context, name)

    @property
    def nodes(self) -> Shape:
        """Number of nodes along (z, y, x) that the field is summed on."""
        z, y, x = self._nodes.shape
        return (z, y, x)

    def slab(self, slab: Slab) -> np.ndarray:
        """Return the slices from the first of `slab` up to its last as float32 (z, y, x)."""
        z, y, x = (axis.matrix for axis in self._axes)
        planes = z[slab[0] : slab[1]] @ self._nodes.reshape(len(self._nodes), -1)
        field = np.empty((len(planes), len(y), len(x)), np.float32)
        to_x = np.ascontiguousarray(x.T)  # three times as fast as a transposed view
        for voxels, plane in zip(field, planes, strict=True):
            voxels[:] = (y @ plane.reshape(y.shape[1], -1)) @ to_x
        return field


def memory_bytes(shape: Shape, voxel_size_nm: Triple, wave_numbers: Triple) -> int:
    """Return the memory of the nodes of a `WaveField`, bytes; 0 if they are in a file.

    Args:
        shape: voxels along (z, y, x).
        voxel_size_nm: (z, y, x).
        wave_numbers: largest component of a wave vector along each axis, rad/nm.
    """
    nodes = 1
    for voxels, voxel_nm, wave_number in zip(shape, voxel_size_nm, wave_numbers, strict=True):
        reach = (voxels - 1) / 2 * voxel_nm
        nodes *= min(voxels + 1, node_count(wave_number * reach))
    return held_bytes(nodes * np.dtype(np.float64).itemsize)


def _sum_on_nodes(
    waves: PlaneWaves, halves: list[np.ndarray], context: Context, name: str
) -> np.ndarray:
    """Return the field on the nodes, (z, y, x), each axis in the order ``[half, -half]``.

    With c and s for the cosine or sine of q_a r_a on each axis a, cos(q . r + phi) is the sum over
    the eight choices of one of them per axis, times cos(phi + pi/2 * number of sines).
    """
    nz, ny, nx = (len(half) for half in halves)
    # Axes: parity and position along z, y and x in turn. Parities: 0 even, 1 odd.
    field = np.asarray(context.empty(name, (2, nz, 2, ny, 2, nx), np.float64))
    field[...] = 0.0
    for start in context.track(range(0, len(waves), WAVE_CHUNK), "summing waves"):
        part = slice(start, start + WAVE_CHUNK)
        angles = [np.outer(half, q) for half, q in zip(halves, waves.vectors[part].T, strict=True)]
        along_z, along_y, along_x = (np.stack([np.cos(a), np.sin(a)]) for a in angles)
        turns = waves.phases[part] + np.arange(4)[:, None] * np.pi / 2
        weights = np.sqrt(2 / len(waves)) * np.cos(turns)
        # For 0, 1 or 2 sines among z and y: the factor of x, both parities side by side.
        factors = [
            np.ascontiguousarray((along_x * weights[s : s + 2, None]).reshape(2 * nx, -1).T)
            for s in range(3)
        ]

        add = partial(_add_waves, field, along_z, along_y, factors)
        for _ in in_threads(add, range(nz), context):
            pass
    for axis in (0, 2, 4):
        even, odd = np.moveaxis(field, axis, 0)
        even += odd  # f(+r) = even + odd
        odd *= -2
        odd += even  # f(-r) = even - odd
    return field.reshape(2 * nz, 2 * ny, 2 * nx)


def _add_waves(
    field: np.ndarray,
    along_z: np.ndarray,
    along_y: np.ndarray,
    factors: list[np.ndarray],
    position: int,
) -> None:
    """Add a chunk of waves to one plane of the octants."""
    ny, nx = field.shape[3], field.shape[5]
    for odd_z, odd_y in product((0, 1), repeat=2):
        plane = field[odd_z, position, odd_y].reshape(ny, 2 * nx)
        plane += (along_z[odd_z, position] * along_y[odd_y]) @ factors[odd_z + odd_y]
