import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt
from scipy.special import erfinv

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.ligament_diameter import (
    expected_level,
    mean_ligament_diameter,
    specific_surface,
    wave_number_of,
)
from fib_plugins.metrics.plane_diameters import mean_diameter_in_planes
from fibcore.materials import EPOXY, GOLD

MATERIALS = (EPOXY, GOLD)


def test_expected_level_is_the_published_formula():
    for phi in (0.05, 0.3, 0.5, 0.9):
        assert expected_level(phi) == pytest.approx(np.sqrt(2) * erfinv(2 * phi - 1), abs=1e-12)


def test_wave_number_and_diameter_undo_each_other():
    for phi in (0.2, 0.5, 0.75):
        wave_number = wave_number_of(60.0, phi)
        assert mean_ligament_diameter(phi, wave_number) == pytest.approx(60.0)


def test_thicker_ligaments_at_larger_solid_fraction():
    diameters = [mean_ligament_diameter(phi, 0.1) for phi in np.arange(0.05, 0.96, 0.05)]
    assert np.all(np.diff(diameters) > 0)


@pytest.mark.parametrize("phi", [0.25, 0.5, 0.7])
def test_specific_surface_is_twice_the_crossings_of_lines(phi):
    structure = LeveledWave(
        shape=(160, 160, 160),
        voxel_size_nm=1.0,
        wavelength_nm=20.0,
        solid_fraction=phi,
        waves=3000,
        materials=MATERIALS,
    ).generate(seed=4)
    crossings = [np.mean(np.diff(structure.data, axis=axis) != 0) for axis in range(3)]
    assert 2 * np.mean(crossings) == pytest.approx(specific_surface(phi, np.pi / 10), rel=0.03)


def mean_disc_diameter(section):
    """Local thickness by openings with discs of growing radius, averaged over the solid."""
    inside = distance_transform_edt(section)
    radii = np.arange(0.5, inside.max(), 0.5)
    covered = [np.count_nonzero(distance_transform_edt(inside < r) < r) for r in radii]
    return 2 * 0.5 * (0.5 + np.sum(covered) / np.count_nonzero(section))


@pytest.mark.parametrize("phi", [0.2, 0.5, 0.7])
def test_ligament_diameter_is_met_in_sections(phi):
    structure = LeveledWave(
        shape=(2, 600, 600),
        voxel_size_nm=(60.0, 1.0, 1.0),  # sections far apart
        ligament_diameter_nm=16.0,
        solid_fraction=phi,
        waves=3000,
        materials=MATERIALS,
    ).generate(seed=1)
    diameter = np.mean([mean_disc_diameter(section) for section in structure.data])
    assert diameter == pytest.approx(16.0, rel=0.03)


def test_ligament_diameter_is_met_by_the_metric_in_every_plane():
    structure = LeveledWave(
        shape=(192, 192, 192),
        voxel_size_nm=3.0,
        ligament_diameter_nm=30.0,
        solid_fraction=0.35,
        waves=3000,
        materials=MATERIALS,
    ).generate(seed=2)
    diameters = [
        mean_diameter_in_planes(structure.data, plane, structure.voxel_size_nm, threads=2)
        for plane in ("xy", "xz", "yz")
    ]
    assert np.mean(diameters) == pytest.approx(30.0, rel=0.03)
    assert max(diameters) / min(diameters) < 1.06
