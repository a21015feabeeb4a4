"""Shapes of particles, given by their radius in each direction.

A shape is a table of radii on the octahedral map of the sphere, which folds the eight faces of an
octahedron into a square (Cigolle et al., J. Comput. Graph. Tech. 3(2) (2014) 1). All radii are
relative to the sphere of equal volume.
"""

from __future__ import annotations

import numpy as np

from fib_plugins.compiled import compiled
from fibcore.threads import one_blas_thread

EDGE = 64
"""Nodes along an edge of the table: about two degrees apart."""
WAVES = 64
"""Waves of a random field on the sphere, for each length."""
OCTAVES = 4
"""Lengths of the roughness, each half as long as the one before."""
REPULSIONS = 20
DISTANCES = 0.12
"""Largest relative deviation of the distance of a face from the centre."""
FINER = 0.5
"""Deviation of each octave of roughness relative to the one that is twice as wide."""


def _octahedron(edge: int) -> np.ndarray:
    """Return the points of the octahedron |a| + |b| + |c| = 1 at the nodes, (edge, edge, 3)."""
    a, b = np.meshgrid(*[np.linspace(-1, 1, edge)] * 2, indexing="ij")
    c = 1 - np.abs(a) - np.abs(b)
    outer_a = (1 - np.abs(b)) * np.where(a < 0, -1, 1)
    outer_b = (1 - np.abs(a)) * np.where(b < 0, -1, 1)
    return np.stack([np.where(c < 0, outer_a, a), np.where(c < 0, outer_b, b), c], axis=-1)


def directions(edge: int = EDGE) -> np.ndarray:
    """Return the unit vectors of the nodes of a table, (edge, edge, 3)."""
    points = _octahedron(edge)
    return points / np.linalg.norm(points, axis=-1, keepdims=True)


def _solid_angles(edge: int) -> np.ndarray:
    """Return the share of the sphere that each node takes, (edge, edge).

    The faces of the octahedron are planes at one distance, and the map keeps their areas up to a
    factor: the solid angle of a node is proportional to the distance of its point to the power -3.
    """
    ends = np.ones(edge)
    ends[[0, -1]] = 0.5
    weights = np.linalg.norm(_octahedron(edge), axis=-1) ** -3 * ends[:, None] * ends
    return np.asarray(weights / weights.sum())


def of_unit_volume(radii: np.ndarray) -> np.ndarray:
    """Return radii (..., edge, edge) scaled to the volume of the unit sphere, float32."""
    mean_cube = (radii**3 * _solid_angles(radii.shape[-1])).sum(axis=(-2, -1), keepdims=True)
    return np.asarray(radii / np.cbrt(mean_cube), np.float32)


@one_blas_thread
def gaussian_spheres(
    count: int, roughness: float, angle_deg: float, rng: np.random.Generator
) -> np.ndarray:
    """Return random shapes: the logarithm of the radius is a Gaussian field on the sphere.

    Gaussian random spheres (Muinonen, Earth Moon Planets 72 (1996) 339; Astron. Astrophys. 332
    (1998) 1087): radius a exp(s) / sqrt(1 + roughness^2), where s has variance
    ln(1 + roughness^2), here about the mean of each sphere. Its covariance is the modified Gaussian
    exp(-(2/l^2) sin^2(angle/2)) with l = 2 sin(angle_deg/2). With |u - v| = 2 sin(angle/2), that is
    exp(-|u - v|^2 / (2 l^2)): the field on the sphere is a section of one in space, and drawn as a
    sum of waves of random vectors. Octaves of shorter lengths add finer roughness.

    Args:
        count: number of shapes.
        roughness: standard deviation of the radius over directions, relative to its mean.
        angle_deg: correlation angle, degrees.
        rng: random generator.

    Returns:
        float32 (count, edge, edge), each with the volume of the unit sphere.
    """
    nodes = directions().reshape(-1, 3).astype("f4")
    length = 2 * np.sin(np.radians(angle_deg) / 2)
    shares = FINER ** np.arange(OCTAVES)
    deviations = np.sqrt(np.log(1 + roughness**2)) * shares / np.sqrt((shares**2).sum())
    logs = np.zeros((count, len(nodes)), "f4")
    for each in logs:
        for octave, deviation in enumerate(deviations):
            vectors = rng.standard_normal((3, WAVES)) * (2**octave / length)
            phases = rng.uniform(0, 2 * np.pi, WAVES)
            angles = nodes @ vectors.astype("f4") + phases.astype("f4")
            each += deviation * np.sqrt(2 / WAVES) * np.cos(angles).sum(axis=1)
    # The mean over a sphere is size, no roughness: what is left has less than the whole variance.
    weights = _solid_angles(EDGE).ravel()
    logs -= (logs @ weights)[:, None]
    variance = float(((logs**2) @ weights).mean())
    logs *= np.sqrt(np.log(1 + roughness**2) / max(variance, 1e-30))
    return of_unit_volume(np.exp(logs).reshape(count, EDGE, EDGE))


@one_blas_thread
def polyhedra(count: int, faces: int, rng: np.random.Generator) -> np.ndarray:
    """Return random convex polyhedra, like the habits of crystals that have grown freely.

    The normals of the faces are random and then spread out, as charges on a sphere repel each
    other; the distances of the faces from the centre differ by `DISTANCES`.

    Args:
        count: number of shapes.
        faces: of each; some of them may be too far out to show.
        rng: random generator.

    Returns:
        float32 (count, edge, edge), each with the volume of the unit sphere.
    """
    nodes, shapes = directions(), []
    for _ in range(count):
        normals = rng.standard_normal((faces, 3))
        for _ in range(REPULSIONS):
            normals /= np.linalg.norm(normals, axis=1, keepdims=True)
            apart = normals[:, None] - normals[None]
            squared = (apart**2).sum(axis=-1) + np.eye(faces)
            normals += 0.5 / faces * (apart / squared[..., None] ** 1.5).sum(axis=1)
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        distances = 1 + DISTANCES * rng.uniform(-1, 1, faces)
        shapes.append(1 / (nodes @ (normals / distances[:, None]).T).max(axis=-1))
    return of_unit_volume(np.array(shapes))


def superellipsoid(exponent: float) -> np.ndarray:
    """Return |a|^p + |b|^p + |c|^p = 1 (Barr, IEEE Comput. Graph. 1(1) (1981) 11), (1, edge, edge).

    The exponent p is 1 for an octahedron, 2 for a sphere, large for a cube.
    """
    powers = (np.abs(directions()) ** exponent).sum(axis=-1)
    return of_unit_volume(powers[None] ** (-1 / exponent))


def cylinder(axis: int) -> np.ndarray:
    """Return a cylinder as high as wide along one axis of its frame, (1, edge, edge)."""
    nodes = directions()
    across = np.sqrt(np.maximum(1 - nodes[..., axis] ** 2, 0))
    return of_unit_volume(1 / np.maximum(across, np.abs(nodes[..., axis]))[None])


@compiled
def radius_towards(table, z, y, x):  # type: ignore[no-untyped-def]
    """Return the radius of a table in the direction of a vector, by bilinear interpolation."""
    edge = table.shape[0]
    total = abs(z) + abs(y) + abs(x)
    if total == 0.0:
        return table[edge // 2, edge // 2]
    a, b = z / total, y / total
    if x < 0:
        outer = (1 - abs(b)) * (1.0 if a >= 0 else -1.0)
        b = (1 - abs(a)) * (1.0 if b >= 0 else -1.0)
        a = outer
    a = (a + 1) * 0.5 * (edge - 1)
    b = (b + 1) * 0.5 * (edge - 1)
    i, j = min(int(a), edge - 2), min(int(b), edge - 2)
    a -= i
    b -= j
    return (1 - a) * ((1 - b) * table[i, j] + b * table[i, j + 1]) + a * (
        (1 - b) * table[i + 1, j] + b * table[i + 1, j + 1]
    )
