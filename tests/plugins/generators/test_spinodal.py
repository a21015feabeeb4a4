import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from fib_plugins.generators.spinodal import CONNECTED, Spinodal
from fib_plugins.metrics.plane_diameters import mean_diameter_in_planes
from fibcore.context import Context
from fibcore.errors import FibError
from fibcore.materials import EPOXY, GOLD


def spinodal(**changes):
    params = {
        "shape": 64,
        "voxel_size_nm": 5.0,
        "solid_fraction": 0.45,
        "wavelength_nm": 100.0,
        "coarsening": 1.6,
        "materials": (EPOXY, GOLD),
    }
    return Spinodal(**{**params, **changes})


@pytest.mark.parametrize("fraction", [0.25, 0.5, 0.75])
def test_solid_fraction_is_exact_to_one_voxel(fraction):
    labels = spinodal(solid_fraction=fraction).generate(seed=1)
    assert int(labels.data.sum()) == round(fraction * labels.data.size)
    assert labels.phases[1] == GOLD


def test_the_structure_factor_has_its_maximum_at_the_asked_wavelength():
    shape = (96, 96, 96)
    power = 0.0
    k = [np.fft.fftfreq(n, 5.0) for n in shape]
    length = np.sqrt(k[0][:, None, None] ** 2 + k[1][:, None] ** 2 + k[2] ** 2) * 100.0
    shell = (length / 0.15).astype(int).ravel()
    for seed in range(3):
        labels = spinodal(shape=shape, periodic=True).generate(seed=seed).data
        waves = np.fft.fftn(labels - labels.mean())
        power = power + np.bincount(shell, (np.abs(waves) ** 2).ravel()) / np.bincount(shell)
    centre = np.bincount(shell, length.ravel()) / np.bincount(shell)
    near = (centre > 0.6) & (centre < 1.5)
    curve = np.polynomial.Polynomial.fit(centre[near], np.log(power[near]), 3)
    fine = np.linspace(0.6, 1.5, 400)
    assert fine[np.argmax(curve(fine))] == pytest.approx(1.0, abs=0.06)


def test_ligaments_have_the_asked_diameter():
    structure = spinodal(
        shape=(5, 150, 150),
        voxel_size_nm=(150, 5, 5),
        wavelength_nm=None,
        ligament_diameter_nm=70.0,
        solid_fraction=0.5,
        coarsening=2,
    )
    labels = structure.generate(seed=2)
    measured = mean_diameter_in_planes(labels.data, "xy", labels.voxel_size_nm, threads=2)
    assert measured == pytest.approx(70.0, rel=0.06)


def test_both_phases_are_connected():
    labels = spinodal(solid_fraction=0.5, periodic=True).generate(seed=3)
    for phase in (0, 1):
        numbered, _ = ndimage.label(labels.data == phase)
        sizes = np.bincount(numbered.ravel())[1:]
        assert sizes.max() > 0.97 * sizes.sum()


def test_thin_ligaments_stay_connected_as_they_separate_at_another_fraction():
    thin = spinodal(solid_fraction=0.25, wavelength_nm=120.0)
    assert 0.5 - thin._mean / 2 == pytest.approx(CONNECTED[0])
    shares = []
    for structure in (thin, thin.model_copy(update={"separation_fraction": 0.25})):
        numbered, _ = ndimage.label(structure.generate(seed=4).data)
        sizes = np.bincount(numbered.ravel())[1:]
        shares.append(sizes.max() / sizes.sum())
    assert shares[0] > 0.7 > 0.5 > shares[1]


def test_periodic_structures_repeat_and_others_do_not():
    for periodic in (True, False):
        labels = spinodal(periodic=periodic).generate(seed=5).data
        across = np.mean(labels[:, :, 0] != labels[:, :, -1])
        beside = np.mean(labels[:, :, 30] != labels[:, :, 31])
        assert (across < 1.6 * beside) == periodic


def test_voxel_size_does_not_move_the_structure():
    fine = spinodal(shape=(60, 60, 60)).generate(seed=6).data
    coarse = spinodal(shape=(20, 60, 30), voxel_size_nm=(15, 5, 10)).generate(seed=6).data
    blocks = fine.reshape(20, 3, 60, 1, 30, 2).mean(axis=(1, 3, 5))
    clear = (blocks == 0) | (blocks == 1)
    assert clear.mean() > 0.5
    assert np.mean(coarse[clear] == blocks[clear]) > 0.995  # levels differ by a trifle


def test_stretched_structures_are_the_plain_ones():
    plain = spinodal(shape=(40, 40, 40)).generate(seed=7).data
    long = spinodal(shape=(80, 40, 40), anisotropy=(2, 1, 1)).generate(seed=7).data
    assert np.mean(long[0::2] == plain) > 0.93
    assert np.mean(long[0::2] != long[1::2]) < np.mean(plain[0::2] != plain[1::2])


def test_history_ends_at_the_wavelength():
    context = Context(8)
    spinodal(coarsening=2).generate(context)
    history = context.kept["history"]
    assert history["wavelength_nm"][-1] == pytest.approx(100.0, rel=0.02)
    assert (np.diff(history["time"]) > 0).all()


def test_slabs_and_threads_do_not_change_a_byte(monkeypatch):
    whole = spinodal().generate(Context(9, threads=1)).data
    monkeypatch.setattr("fib_plugins.generators.slabs.SLAB_VOXELS", 10_000)
    assert spinodal().generate(Context(9, threads=2)).data.tobytes() == whole.tobytes()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ligament_diameter_nm": 50}, "exactly one of"),
        ({"wavelength_nm": None}, "exactly one of"),
        ({"separation_fraction": 0.75}, "too far from solid_fraction"),
        ({"solid_fraction": 0.1}, "greater than or equal to 0.2"),
    ],
)
def test_what_does_not_fit_is_refused(changes, words):
    with pytest.raises(ValidationError, match=words):
        spinodal(**changes)


def test_grids_that_are_too_large_and_boxes_that_are_too_small_are_refused():
    with pytest.raises(FibError, match="grid of"):
        spinodal(shape=4000, wavelength_nm=10).forecast("generate", {})
    with pytest.raises(FibError, match="periodic: the shortest edge"):
        spinodal(shape=16, periodic=True).forecast("generate", {})


def test_forecasts_warn_of_coarse_and_small_structures():
    (coarse,) = spinodal(wavelength_nm=20).forecast("generate", {}).warnings
    assert "voxels thick" in coarse
    (small,) = spinodal(shape=32).forecast("generate", {}).warnings
    assert "wavelengths" in small
