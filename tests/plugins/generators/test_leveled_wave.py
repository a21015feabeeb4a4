import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.generators.leveled_wave import LeveledWave
from fib_plugins.generators.ligament_diameter import expected_level
from fib_plugins.generators.plane_waves import periodic_waves
from fib_plugins.generators.wave_field import direct_sum, voxel_centres
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.materials import EPOXY, GOLD


def leveled_wave(**changes):
    params = {
        "shape": (40, 44, 48),
        "voxel_size_nm": 1.0,
        "wavelength_nm": 15.0,
        "solid_fraction": 0.35,
        "waves": 400,
        "materials": (EPOXY, GOLD),
    }
    return LeveledWave(**{**params, **changes})


def test_labels_carry_shape_voxel_size_and_materials():
    labels = leveled_wave(voxel_size_nm=(2.0, 1.0, 1.5)).generate(seed=7)
    assert labels.shape == (40, 44, 48)
    assert labels.voxel_size_nm == (2.0, 1.0, 1.5)
    assert {phase: material.name for phase, material in labels.phases.items()} == {
        0: "epoxy",
        1: "Au",
    }
    assert set(np.unique(labels.data)) == {0, 1}


def test_epoxy_and_gold_come_by_default():
    labels = LeveledWave(
        shape=(128, 128, 128), voxel_size_nm=3.0, ligament_diameter_nm=60, solid_fraction=0.35
    ).generate(seed=7)
    assert labels.phases == {0: EPOXY, 1: GOLD}
    assert int(labels.data.sum()) == round(0.35 * 128**3)


@pytest.mark.parametrize("phi", [0.001, 0.2, 0.35, 0.5, 0.83])
def test_exact_solid_fraction_is_right_to_one_voxel(phi):
    labels = leveled_wave(solid_fraction=phi).generate(seed=1)
    assert int(labels.data.sum()) == round(phi * labels.data.size)


def test_expected_solid_fraction_scatters_about_the_one_asked_for():
    small = leveled_wave(level="expected", waves=200, shape=32, wavelength_nm=8.0)
    fractions = [small.generate(seed=seed).data.mean() for seed in range(40)]
    assert np.mean(fractions) == pytest.approx(0.35, abs=0.01)
    assert np.std(fractions) > 1e-3


def test_solid_is_where_the_field_is_below_its_level():
    structure = leveled_wave(
        shape=(24, 26, 28), waves=100, level="expected", periodic=True, wavelength_nm=6.0
    )
    labels = structure.generate(Context(3))
    box = labels.extent_nm
    rng = Context(3).rng_for("waves")
    waves = periodic_waves(100, structure.wave_number, box, (1.0, 1.0, 1.0), rng)
    centres = [voxel_centres(n, 1.0) for n in labels.shape]
    points = np.stack(np.meshgrid(*centres, indexing="ij"), axis=-1).reshape(-1, 3)
    solid = (direct_sum(waves, points) < expected_level(0.35)).reshape(labels.shape)
    assert np.array_equal(labels.data, solid)
    for axis in range(3):  # the slices beyond the end are those at the beginning
        beyond = direct_sum(waves, points + np.eye(3)[axis] * box[axis]) < expected_level(0.35)
        assert np.array_equal(beyond.reshape(labels.shape), solid)


def changed_across_the_faces(data):
    """Share of voxel pairs that differ across each pair of opposite faces, and inside."""
    across = [np.mean(data.take(0, axis) != data.take(-1, axis)) for axis in range(3)]
    inside = [np.mean(np.diff(data, axis=axis) != 0) for axis in range(3)]
    return np.mean(across) / np.mean(inside)


def test_periodic_structure_goes_on_across_its_faces():
    params = {"shape": 64, "wavelength_nm": 12.0}
    periodic = leveled_wave(periodic=True, **params).generate(seed=2)
    ordinary = leveled_wave(**params).generate(seed=2)
    assert changed_across_the_faces(periodic.data) == pytest.approx(1.0, abs=0.25)
    assert changed_across_the_faces(ordinary.data) > 1.5


def test_periodic_structure_keeps_its_size():
    params = {"shape": 96, "wavelength_nm": 14.0, "waves": 2000}
    surface = [
        np.mean([np.mean(np.diff(s.data, axis=a) != 0) for a in range(3)])
        for periodic in (True, False)
        for s in [leveled_wave(periodic=periodic, **params).generate(seed=5)]
    ]
    assert surface[0] == pytest.approx(surface[1], rel=0.06)


def test_anisotropy_stretches_along_its_axis():
    labels = leveled_wave(
        shape=(100, 100, 200), wavelength_nm=10.0, anisotropy=(1.0, 2.0, 4.0), waves=1500
    ).generate(seed=1)
    z, y, x = (np.mean(np.diff(labels.data, axis=axis) != 0) for axis in range(3))
    assert z / y == pytest.approx(2.0, rel=0.12)
    assert z / x == pytest.approx(4.0, rel=0.12)


def test_coarser_voxels_sample_the_same_structure():
    fine = leveled_wave(shape=(60, 60, 60), level="expected").generate(seed=9)
    coarse = leveled_wave(
        shape=(20, 60, 12), voxel_size_nm=(3.0, 1.0, 5.0), level="expected"
    ).generate(seed=9)
    # The centre of coarse voxel k is that of fine voxel 3 k + 1, or 5 k + 2.
    assert np.array_equal(coarse.data, fine.data[1::3, :, 2::5])


def test_same_seed_same_bytes_other_seed_other_bytes():
    generator = leveled_wave()
    first = generator.generate(seed=1).data
    assert first.tobytes() == generator.generate(Context(1, threads=1)).data.tobytes()
    assert first.tobytes() == generator.generate(Context(1, threads=2)).data.tobytes()
    assert first.tobytes() != generator.generate(seed=2).data.tobytes()


def test_sizes_can_be_given_in_three_ways():
    by_wavelength = leveled_wave(wavelength_nm=15.0).generate(seed=1)
    by_number = leveled_wave(wavelength_nm=None, wave_number_per_nm=2 * np.pi / 15).generate(seed=1)
    assert np.array_equal(by_wavelength.data, by_number.data)
    thick = leveled_wave(wavelength_nm=None, ligament_diameter_nm=9.2)
    assert thick.wave_number == pytest.approx(2 * np.pi / 15, rel=0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {"wavelength_nm": None},
        {"ligament_diameter_nm": 10.0},
        {"wave_number_per_nm": 1.0, "ligament_diameter_nm": 10.0},
    ],
)
def test_exactly_one_size_is_wanted(changes):
    with pytest.raises(ValidationError, match="give exactly one of ligament_diameter_nm"):
        leveled_wave(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"solid_fraction": 0.0},
        {"solid_fraction": 1.0},
        {"wavelength_nm": -3.0},
        {"waves": 0},
        {"anisotropy": (1.0, 0.0, 1.0)},
        {"level": "about"},
        {"wavelenght_nm": 3.0},
    ],
)
def test_parameters_out_of_range_are_refused(changes):
    with pytest.raises(ValidationError):
        leveled_wave(**changes)


def test_periodic_box_that_few_waves_fit_is_refused_before_the_run():
    with pytest.raises(FibError, match="`periodic`: false"):
        leveled_wave(periodic=True, wavelength_nm=30.0).forecast("generate", {})


def test_forecast_tells_shape_and_memory():
    forecast = leveled_wave(shape=384, wavelength_nm=100.0).forecast("generate", {})
    assert forecast.output is not None
    assert forecast.output.shape == (384, 384, 384)
    assert 384**3 < forecast.memory_bytes < 1.5e9 * (384 / 512) ** 3
    assert forecast.warnings == ()


def test_forecast_warns_of_thin_ligaments_and_small_boxes():
    warnings = leveled_wave(wavelength_nm=3.0).forecast("generate", {}).warnings
    assert any("voxels thick" in warning for warning in warnings)
    warnings = leveled_wave(wavelength_nm=30.0).forecast("generate", {}).warnings
    assert any("wavelengths" in warning for warning in warnings)


def test_progress_is_reported():
    heard = []
    context = Context(1, report=lambda what, done, total: heard.append((what, done, total)))
    leveled_wave().generate(context)
    assert {what for what, _, _ in heard} == {"summing waves", "cutting at the level"}
