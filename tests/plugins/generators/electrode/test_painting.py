from dataclasses import replace

import numpy as np
import pytest

from fib_plugins.generators.electrode.painting import painted
from fib_plugins.generators.electrode.particles import HOLLOW_RADII, ElectrodeParticles
from fibcore.context import Context

EDGE = 80
CENTRE = EDGE / 2


def particles(count=1, radius=30.0, **shares):
    axes, rotations = np.full((count, 3), radius), np.repeat(np.eye(3)[None], count, axis=0)
    given = {"roughness": 0.0, "angle_deg": 30.0, "cracked": 0.0, "hollow": 0.0, **shares}
    drawn = ElectrodeParticles.drawn(axes, rotations, rng=np.random.default_rng(0), **given)
    return drawn.at(np.full((count, 3), CENTRE))


def paint(which, crack_nm=6.0, size=1.0):
    shape = (round(EDGE / size),) * 3
    return painted(which, shape, (size,) * 3, crack_nm, 50.0, "test", Context())


def straight(crack_count=1, tip=-9.0):
    """Return particles whose first crack is a plane across z, open all through."""
    whole = particles(cracked=1.0)
    cracks = whole.cracks.copy()
    cracks[0, :, :9] = np.eye(3).ravel()
    cracks[0, :, 9:] = [0.0, tip, 0.0, 0.0, 0.0, 0.0, 1 / 30.0]
    return replace(whole, cracks=cracks, crack_count=np.array([crack_count]))


def test_scale_and_gap_of_a_sphere():
    result = paint(particles())
    z, y, x = np.indices((EDGE,) * 3) + 0.5 - CENTRE
    distance = np.sqrt(z**2 + y**2 + x**2)
    near = distance < 30 * 1.6
    assert np.allclose(result.scale[near], distance[near] / 30, rtol=1e-4)
    assert np.isinf(result.scale[distance > 30 * 1.75]).all()
    outside = near & (distance > 30)
    assert np.allclose(result.gap_nm[outside], 50 + distance[outside] - 30, atol=0.01)
    assert not result.empty.any()


def test_gaps_are_the_distances_to_the_two_nearest_particles():
    pair = particles(3, 15.0)
    pair = pair.at(CENTRE + np.array([[0, 0, -20.0], [0, 0, 20.0], [0, -60.0, 0.0]]))
    result = paint(pair)
    middle = EDGE // 2
    assert result.gap_nm[middle, middle, middle] == pytest.approx(10, abs=0.2)
    assert result.scale[middle, middle, middle] == pytest.approx(20 / 15, rel=0.03)


def test_a_crack_has_its_width():
    result = paint(straight())
    empty = result.empty * (result.scale < 1)
    line = empty[:, EDGE // 2, EDGE // 2 + 5]
    assert line.sum() == 6
    assert line[37:43].all()
    assert np.count_nonzero(empty) == pytest.approx(6 * np.pi * 30**2, rel=0.03)


def test_a_crack_opens_from_its_tip():
    widths = paint(straight(tip=0.0), crack_nm=6.0).empty.sum(axis=0)
    along = widths.max(axis=1)  # its opening runs along y
    assert along[: EDGE // 2].max() == 0
    assert along[EDGE // 2 + 18] == 6
    assert 2 <= along[EDGE // 2 + 7] <= 4


def test_shares_of_cracked_and_hollow_particles_are_those_asked_for():
    drawn = particles(4000, cracked=0.3, hollow=0.2)
    assert np.mean(drawn.crack_count > 0) == pytest.approx(0.3, abs=0.03)
    assert set(drawn.crack_count.tolist()) == {0, 1, 2, 3}
    hollow = drawn.hollow[:, 3] > 0
    assert hollow.mean() == pytest.approx(0.2, abs=0.03)
    radii = drawn.hollow[hollow, 3]
    assert radii.min() >= HOLLOW_RADII[0]
    assert radii.max() <= HOLLOW_RADII[1]


def test_a_hollow_lies_within_its_particle():
    whole = particles(hollow=1.0, roughness=0.15)
    result = paint(whole)
    inside = result.scale < 1
    hollow = result.empty > 0
    assert (inside | ~hollow).all()
    assert hollow.sum() / inside.sum() == pytest.approx(whole.hollow[0, 3] ** 3, rel=0.15)


def test_voxel_size_samples_the_same_particle():
    fine, coarse = paint(straight()), paint(straight(), size=2.0)
    centres = [part.reshape(40, 2, 40, 2, 40, 2).mean(axis=(1, 3, 5)) for part in (fine.scale,)]
    near = coarse.scale < 1.5
    assert np.allclose(centres[0][near], coarse.scale[near], atol=0.02)
