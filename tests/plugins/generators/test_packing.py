import numpy as np
import pytest

from fib_plugins.generators import packing
from fib_plugins.generators.ellipsoids import Ellipsoids
from fib_plugins.generators.packing import packed
from fib_plugins.generators.particle_sizes import ParticleSizes
from fibcore.context import Context
from fibcore.errors import FibError


def bodies_of(fraction, box, sizes, seed=0):
    rng = np.random.default_rng(seed)
    count = round(fraction * box.prod() / sizes.mean_volume_nm3)
    return Ellipsoids.of(np.zeros((count, 3)), *sizes.draw(count, rng))


def nearest_images(centres, box):
    apart = centres[None] - centres[:, None]
    return apart - box * np.rint(apart / box)


@pytest.mark.parametrize(("fraction", "std"), [(0.3, 0.0), (0.55, 0.0), (0.55, 25.0)])
def test_packed_spheres_do_not_overlap(fraction, std):
    box = np.array([700.0, 800.0, 750.0])
    bodies = bodies_of(fraction, box, ParticleSizes(100.0, std, (1.0, 1.0, 1.0)))
    result = packed(bodies, box, np.random.default_rng(0), Context())
    radii = np.sqrt(result.spreads[:, 0, 0])
    distances = np.linalg.norm(nearest_images(result.centres, box), axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (distances >= radii[:, None] + radii[None]).all()
    assert np.array_equal(result.spreads, bodies.spreads)
    assert (result.centres >= 0).all()
    assert (result.centres < box).all()


@pytest.mark.parametrize("ratios", [(1.0, 1.0, 2.5), (1.0, 2.0, 2.0), (1.0, 1.5, 3.0)])
def test_packed_ellipsoids_do_not_overlap(ratios):
    box = np.array([500.0, 500.0, 450.0])
    bodies = bodies_of(0.4, box, ParticleSizes(100.0, 0.0, ratios))
    result = packed(bodies, box, np.random.default_rng(0), Context())
    # Points all over the surface of each must lie outside of every other.
    on_sphere = np.random.default_rng(1).standard_normal((400, 3))
    on_sphere /= np.linalg.norm(on_sphere, axis=1, keepdims=True)
    surfaces = np.einsum("nij,pj->npi", np.linalg.cholesky(result.spreads), on_sphere)
    matrices = np.linalg.inv(result.spreads)
    apart = nearest_images(result.centres, box)
    for i in range(len(result)):
        from_others = surfaces[i][None] - apart[i][:, None]
        inside = np.einsum("npi,nij,npj->np", from_others, matrices, from_others)
        inside[i] = np.inf
        assert inside.min() >= 1


def test_touching_scale_of_aligned_ellipsoids_is_that_of_stretched_spheres():
    # Equal ellipsoids of the same orientation are one affine image of equal spheres.
    spreads, push = np.stack([np.diag([4.0, 1.0, 9.0])] * 2), np.empty(3)
    inverse = np.linalg.inv(spreads[0])
    for r in np.random.default_rng(0).standard_normal((20, 3)) * 1.5:
        expected = np.sqrt(r @ inverse @ r) / 2
        scale, _ = packing._separate(r, spreads, 0, 1, 0.3, push)
        if expected < 0.9:
            assert scale == pytest.approx(expected, rel=1e-4)


def test_push_brings_ellipsoids_to_touch():
    rng = np.random.default_rng(2)
    semi_axes, rotations = ParticleSizes(2.0, 0.0, (1.0, 2.0, 3.0)).draw(2, rng)
    spreads = Ellipsoids.of(np.zeros((2, 3)), semi_axes, rotations).spreads
    r, push = np.array([0.3, 0.8, -0.5]), np.empty(3)
    scale, part = packing._separate(r, spreads, 0, 1, 0.5, push)
    r *= 0.97 / scale
    scale, part = packing._separate(r, spreads, 0, 1, part, push)
    assert scale == pytest.approx(0.97, abs=1e-3)
    moved, _ = packing._separate(r + push, spreads, 0, 1, 0.5, push)
    assert moved >= packing.WANTED_SCALE - 3e-3


def test_a_lower_bound_of_the_scale_shows_ellipsoids_apart():
    spreads, push = np.stack([np.diag([4.0, 1.0, 9.0]), np.diag([1.0, 2.0, 3.0])]), np.empty(3)
    r = np.array([3.6, 0.0, 0.0])
    exact = max(packing._between(part, r, spreads, 0, 1, push) for part in np.linspace(0, 1, 1001))
    scale, part = packing._separate(r, spreads, 0, 1, 0.6, push)
    assert packing.WANTED_SCALE <= scale <= np.sqrt(exact)
    assert part == 0.6


def test_relaxation_is_the_same_every_time():
    box = np.array([500.0, 500.0, 500.0])
    bodies = bodies_of(0.5, box, ParticleSizes(100.0, 20.0, (1.0, 1.0, 1.0)))
    first = packed(bodies, box, np.random.default_rng(0), Context())
    second = packed(bodies, box, np.random.default_rng(0), Context())
    assert np.array_equal(first.centres, second.centres)


def test_hopeless_packings_end_with_what_to_do(monkeypatch):
    monkeypatch.setattr(packing, "MOST_SWEEPS", 20)
    box = np.array([400.0, 400.0, 400.0])
    bodies = bodies_of(0.8, box, ParticleSizes(100.0, 0.0, (1.0, 1.0, 1.0)))
    with pytest.raises(FibError, match="smaller `solid_fraction`"):
        packed(bodies, box, np.random.default_rng(0), Context())
