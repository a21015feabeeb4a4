import logging

import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.generators.ellipsoids import Ellipsoids, squared_distance
from fib_plugins.generators.particles import Particles
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.materials import EPOXY, GOLD


def particles(**changes):
    params = {
        "shape": (60, 64, 68),
        "voxel_size_nm": 10.0,
        "solid_fraction": 0.4,
        "diameter_nm": 120.0,
        "materials": (EPOXY, GOLD),
    }
    return Particles(**{**params, **changes})


def test_painted_ellipsoids_are_those_of_the_formula():
    shape, voxel = (20, 24, 28), (3.0, 2.0, 1.0)
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    centres = np.array([[30.0, 20.0, 12.0], [5.0, 40.0, 20.0]])
    semi_axes = np.array([[15.0, 9.0, 5.0], [12.0, 12.0, 6.0]])
    bodies = Ellipsoids.of(centres, semi_axes, np.stack([rotation, np.eye(3)]))
    painted = squared_distance(bodies, shape, voxel, 1.2, Context(threads=2))
    axes = [(np.arange(n) + 0.5) * size for n, size in zip(shape, voxel, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    along = [(points - centres[0]) @ rotation, points - centres[1]]
    each = [((a / s) ** 2).sum(axis=-1) for a, s in zip(along, semi_axes, strict=True)]
    expected = np.minimum(*each)
    expected[expected >= 1.2**2] = np.inf
    assert np.allclose(painted, expected, rtol=1e-5)
    assert bodies.volume_nm3 == pytest.approx(4 / 3 * np.pi * semi_axes.prod(axis=1).sum())


def test_slabs_do_not_change_what_is_painted(monkeypatch):
    structure = particles(mode="overlapping")
    whole = structure.generate(seed=1)
    monkeypatch.setattr("fib_plugins.generators.slabs.SLAB_VOXELS", 10_000)
    assert whole.data.tobytes() == structure.generate(seed=1).data.tobytes()


@pytest.mark.parametrize("mode", ["overlapping", "packed"])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("axis_ratios", [(1.0, 1.0, 1.0), (1.0, 1.0, 2.0)])
def test_exact_solid_fraction_is_right_to_one_voxel(mode, periodic, axis_ratios):
    structure = particles(mode=mode, periodic=periodic, axis_ratios=axis_ratios)
    labels = structure.generate(seed=2)
    assert int(labels.data.sum()) == round(0.4 * labels.data.size)
    assert labels.phases[1] == GOLD


def test_overlapping_particles_meet_the_fraction_of_the_boolean_model():
    structure = particles(
        mode="overlapping", fraction="expected", diameter_std_nm=30.0, axis_ratios=(1, 1, 2)
    )
    fractions = [structure.generate(seed=seed).data.mean() for seed in range(40)]
    standard_error = np.std(fractions) / np.sqrt(40)
    assert standard_error < 0.01
    assert np.mean(fractions) == pytest.approx(0.4, abs=4 * standard_error)


def test_two_point_correlation_is_that_of_the_boolean_model():
    n, voxel, diameter, phi = 160, 1.0, 16.0, 0.35
    structure = particles(
        shape=n,
        voxel_size_nm=voxel,
        diameter_nm=diameter,
        solid_fraction=phi,
        mode="overlapping",
        periodic=True,
    )
    r = np.arange(25)
    measured = np.zeros(len(r))
    for seed in range(3):
        spectrum = np.abs(np.fft.rfftn(structure.generate(seed=seed).data.astype(float))) ** 2
        correlation = np.fft.irfftn(spectrum, s=(n, n, n), axes=(0, 1, 2)) / n**3
        measured += (correlation[r, 0, 0] + correlation[0, r, 0] + correlation[0, 0, r]) / 9
    # Torquato, Random Heterogeneous Materials (2002), section 5.1: the void probability of two
    # points is exp(-density * volume of the union of two spheres about them).
    volume = np.pi / 6 * diameter**3
    density = -np.log(1 - phi) / volume
    t = np.minimum(r * voxel / diameter, 1)
    union = volume * (2 - (1 - 1.5 * t + 0.5 * t**3))
    expected = 1 - 2 * (1 - phi) + np.exp(-density * union)
    assert measured[0] == pytest.approx(phi, abs=1e-6)
    assert measured == pytest.approx(expected, abs=0.008)


def test_packed_particles_have_the_size_asked_for(caplog):
    # Packed and periodic, nothing overlaps or is lost: what is drawn makes up the fraction.
    structure = particles(periodic=True, fraction="expected", shape=96, solid_fraction=0.5)
    labels = structure.generate(seed=3)
    assert labels.data.mean() == pytest.approx(0.5, rel=0.01)
    assert not caplog.records


@pytest.mark.parametrize("mode", ["overlapping", "packed"])
def test_periodic_particles_go_on_across_the_faces(mode):
    for periodic in (True, False):
        data = particles(mode=mode, periodic=periodic, solid_fraction=0.5).generate(seed=4).data
        across = np.mean([np.mean(data.take(0, a) != data.take(-1, a)) for a in range(3)])
        inside = np.mean([np.mean(np.diff(data, axis=a) != 0) for a in range(3)])
        assert (across < 1.5 * inside) == periodic


def test_anisotropic_voxels_sample_the_same_particles():
    params = {"mode": "overlapping", "fraction": "expected", "axis_ratios": (1, 2, 3)}
    fine = particles(shape=60, **params).generate(seed=5)
    coarse = particles(shape=(20, 60, 60), voxel_size_nm=(30.0, 10.0, 10.0), **params)
    assert np.array_equal(coarse.generate(seed=5).data, fine.data[1::3])


@pytest.mark.parametrize("mode", ["overlapping", "packed"])
def test_same_seed_same_bytes_for_any_number_of_threads(mode):
    structure = particles(mode=mode, diameter_std_nm=30.0)
    one, two = (structure.generate(Context(1, threads=n)).data.tobytes() for n in (1, 2))
    assert one == two
    assert one != structure.generate(seed=2).data.tobytes()


def test_a_volume_without_particles_is_all_pore():
    structure = particles(
        mode="overlapping", fraction="expected", shape=2, solid_fraction=1e-9, diameter_nm=5.0
    )
    assert not structure.generate(seed=0).data.any()


def test_too_few_particles_for_an_exact_fraction_are_refused():
    # A volume much smaller than a particle is all inside of one, or outside of all.
    structure = particles(mode="overlapping", shape=2, solid_fraction=0.3, diameter_nm=1000.0)
    refused = []
    for seed in range(20):
        try:
            structure.generate(seed=seed)
        except FibError as error:
            refused.append(str(error))
    assert refused
    assert all("Use a larger `shape`" in message for message in refused)


def test_a_large_factor_on_the_sizes_is_told(caplog):
    structure = particles(mode="overlapping", shape=30, diameter_nm=150.0)
    with caplog.at_level(logging.WARNING, "fib"):
        for seed in range(5):
            structure.generate(seed=seed)
    assert "were scaled by" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"solid_fraction": 0.7}, "use at most 0.60, or mode: overlapping"),
        ({"solid_fraction": 0.5, "axis_ratios": (1.0, 1.0, 4.0)}, "use at most 0.39"),
        ({"axis_ratios": (1.0, 1.0, 6.0)}, "at most 5 times"),
        ({"diameter_std_nm": 500.0}, "at most the mean"),
        ({"solid_fraction": 1.2}, "less than 1"),
        ({"diameter_nm": 0.0}, "greater than 0"),
    ],
)
def test_parameters_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        particles(**changes)


def test_overlapping_particles_may_fill_more_than_packed_ones():
    labels = particles(solid_fraction=0.9, mode="overlapping", periodic=True).generate(seed=1)
    assert labels.data.mean() == pytest.approx(0.9, abs=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"periodic": True, "diameter_nm": 400.0}, "shortest edge of the box, 600 nm"),
        ({"diameter_nm": 1.0, "shape": 400}, "Is diameter_nm in nm"),
    ],
)
def test_boxes_that_cannot_work_are_refused_before_the_run(changes, message):
    with pytest.raises(FibError, match=message):
        particles(**changes).forecast("generate", {})


def test_forecast_tells_memory_and_warns_of_small_particles():
    forecast = particles(shape=256).forecast("generate", {})
    assert 5 * 256**3 < forecast.memory_bytes < 20 * 256**3
    assert forecast.warnings == ()
    assert "voxels wide" in particles(diameter_nm=25.0).forecast("generate", {}).warnings[0]
    assert "diameters wide" in particles(diameter_nm=500.0).forecast("generate", {}).warnings[0]


SHAPES = [
    {"particle_shape": "cylinder", "axis_ratios": (1.0, 1.0, 2.0)},
    {"particle_shape": "superellipsoid", "exponent": 6.0},
    {"particle_shape": "polyhedron", "faces": 10},
    {"particle_shape": "irregular", "roughness": 0.25},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("mode", ["overlapping", "packed"])
def test_solid_fraction_is_exact_with_every_shape(shape, mode):
    structure = particles(mode=mode, diameter_std_nm=20.0, **shape)
    one, two = (structure.generate(Context(3, threads=n)) for n in (1, 2))
    assert int(one.data.sum()) == round(0.4 * one.data.size)
    assert one.data.tobytes() == two.data.tobytes()
    assert one.data.tobytes() != particles(mode=mode, diameter_std_nm=20.0).generate(seed=3)


@pytest.mark.parametrize("shape", SHAPES)
def test_overlapping_bodies_of_any_shape_meet_the_fraction_of_the_boolean_model(shape):
    structure = particles(mode="overlapping", fraction="expected", shape=72, **shape)
    fractions = [structure.generate(seed=seed).data.mean() for seed in range(2)]
    assert np.mean(fractions) == pytest.approx(0.4, abs=0.04)


def test_rods_are_longer_than_wide_and_plates_wider_than_thick():
    # Mean chord of a convex body, over directions: 4 V / S. Ratio to the sphere of equal volume.
    def chord(ratios, name):
        structure = particles(
            **{"shape": 80, "voxel_size_nm": 5.0, "solid_fraction": 0.1, "mode": "overlapping"},
            axis_ratios=ratios,
            particle_shape=name,
            fraction="expected",
        )
        data = [structure.generate(seed=seed).data.astype(np.int8) for seed in range(3)]
        edges = sum(np.count_nonzero(np.diff(each, axis=a)) for each in data for a in range(3))
        return 2 * 3 * sum(each.sum() for each in data) / edges

    sphere = chord((1.0, 1.0, 1.0), "ellipsoid")
    # Cylinders of radius r and height h: S = 2 pi r (r + h), V = pi r^2 h.
    for ratios, height in (((1.0, 1.0, 4.0), 8.0), ((4.0, 4.0, 1.0), 0.5)):
        volume, surface = np.pi * height, 2 * np.pi * (1 + height)
        radius = (volume * 3 / 4 / np.pi) ** (1 / 3)
        expected = (volume / surface) / (radius / 3)
        assert chord(ratios, "cylinder") / sphere == pytest.approx(expected, rel=0.1)


def test_packed_crystals_touch_little():
    structure = particles(particle_shape="polyhedron", periodic=True, shape=72)
    loose = structure.model_copy(update={"fraction": "expected"}).generate(seed=5)
    assert loose.data.mean() == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("std", [0.0, 36.0])
def test_surface_of_packed_spheres_is_that_of_their_sizes(std):
    # S / V = 6 phi E[d^2] / E[d^3]; of lognormal diameters E[d^n] = exp(n mu + n^2 sigma^2 / 2).
    structure = particles(
        shape=128,
        voxel_size_nm=6.0,
        solid_fraction=0.45,
        diameter_std_nm=std,
        periodic=std == 0,
        fraction="expected",
    )
    data = structure.generate(seed=1).data
    crossings = sum(np.count_nonzero(np.diff(data.view(np.int8), axis=axis)) for axis in range(3))
    per_nm = crossings / 3 / data.size / 6.0
    sigma = np.sqrt(np.log(1 + (std / 120.0) ** 2))
    mu = np.log(120.0) - sigma**2 / 2
    ratio = np.exp(2 * mu + 2 * sigma**2) / np.exp(3 * mu + 4.5 * sigma**2)
    assert 2 * per_nm == pytest.approx(6 * data.mean() * ratio, rel=0.04)
