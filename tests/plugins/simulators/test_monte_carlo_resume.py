"""A Monte Carlo that is stopped goes on where it was, and only if it is the same one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fib_plugins.electrons.imaging import Imager
from fib_plugins.simulators.monte_carlo import MonteCarlo
from fibcore import Context, Labels, Material
from fibcore.materials import EPOXY, GOLD

SETTINGS: dict[str, Any] = {"energies_kev": (1.0, 2.0), "electrons_per_pixel": 20}
PHASES = {0: EPOXY, 1: GOLD}
SLICES = 8  # 4 at each of 2 voltages


@pytest.fixture(scope="module")
def labels():
    coarse = np.random.default_rng(4).integers(0, 2, (4, 3, 4))
    return Labels(np.kron(coarse, np.ones((1, 3, 3))).astype(np.uint8), 4.0, PHASES)


@pytest.fixture
def imaged(monkeypatch):
    """The slices that are simulated, in order."""
    slices: list[int] = []
    images = Imager.images

    def noted(self, numbers, rows, columns):
        for z, tally in images(self, numbers, rows, columns):
            slices.append(z)
            yield z, tally

    monkeypatch.setattr(Imager, "images", noted)
    return slices


def simulate(labels, scratch, *, stop_after=None, seed=1, threads=1, **changes):
    """Return images and depths, or be killed after so many slices."""

    def report(what, done, total):
        if done == stop_after:
            raise KeyboardInterrupt

    context = Context(seed, threads=threads, scratch=scratch, report=report)
    images = MonteCarlo(**SETTINGS | changes).simulate(labels, context=context)
    kept = context.kept.get("depth")
    return np.array(images.data), None if kept is None else np.array(kept.data)


def stopped(labels, scratch, after=5, **changes):
    with pytest.raises(KeyboardInterrupt):
        simulate(labels, scratch, stop_after=after, **changes)


@pytest.mark.parametrize("after", [0, 1, 5, 8])
@pytest.mark.parametrize("mean_depth", [False, True], ids=["images", "images and depth"])
def test_a_stopped_simulation_goes_on_with_the_next_slice(
    labels, tmp_path, imaged, after, mean_depth
):
    undisturbed = simulate(labels, tmp_path / "undisturbed", mean_depth=mean_depth)
    order = imaged.copy()
    imaged.clear()
    stopped(labels, tmp_path / "stopped", after, mean_depth=mean_depth)
    assert imaged == order[:after]
    resumed = simulate(labels, tmp_path / "stopped", mean_depth=mean_depth, threads=2)
    assert imaged == order == 2 * [0, 1, 2, 3]
    for one, other in zip(resumed, undisturbed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_kill_between_the_data_and_its_note_costs_one_slice(labels, tmp_path, imaged):
    undisturbed, _ = simulate(labels, tmp_path / "undisturbed")
    stopped(labels, tmp_path / "stopped", 3)
    file = tmp_path / "stopped" / "images.npy"
    half = np.load(file, mmap_mode="r+")
    half[0, 3, :4] = 0.123  # a slice that was being written
    half.flush()
    imaged.clear()
    np.testing.assert_array_equal(simulate(labels, tmp_path / "stopped")[0], undisturbed)
    assert imaged == [3, 0, 1, 2, 3]


def test_a_finished_simulation_is_not_done_again(labels, tmp_path, imaged):
    images, _ = simulate(labels, tmp_path)
    imaged.clear()
    again, _ = simulate(labels, tmp_path)
    assert imaged == []
    np.testing.assert_array_equal(again, images)


CHANGES: dict[str, dict[str, Any]] = {
    "parameter": {"electrons_per_pixel": 21},
    "voltage": {"energies_kev": (1.0, 2.5)},
    "tilt": {"tilt_deg": 10.0},
    "region": {"region": ((0, 9), (1, 12))},
    "further result": {"mean_depth": True},
    "seed": {"seed": 2},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_another_simulation_in_the_same_folder_starts_afresh(labels, tmp_path, imaged, change):
    stopped(labels, tmp_path / "one")
    imaged.clear()
    images, _ = simulate(labels, tmp_path / "one", **change)
    assert len(imaged) == SLICES
    np.testing.assert_array_equal(images, simulate(labels, tmp_path / "other", **change)[0])


def voxel_changed(labels):
    data = labels.data.copy()
    data[-1, -1, -1] ^= 1
    return Labels(data, labels.voxel_size_nm, labels.phases)


def voxel_size_changed(labels):
    return Labels(labels.data, (4.0, 4.0, 4.1), labels.phases)


def material_changed(labels):
    lighter = Material(name="Au", composition={"Au": 1}, density_g_cm3=18.0)
    return Labels(labels.data, labels.voxel_size_nm, {0: EPOXY, 1: lighter})


@pytest.mark.parametrize("change", [voxel_changed, voxel_size_changed, material_changed])
def test_another_structure_in_the_same_folder_starts_afresh(labels, tmp_path, imaged, change):
    stopped(labels, tmp_path)
    imaged.clear()
    simulate(change(labels), tmp_path)
    assert len(imaged) == SLICES


@pytest.mark.parametrize("file", ["images.npy", "finished.json"])
def test_damaged_files_start_afresh(labels, tmp_path, imaged, file):
    undisturbed, _ = simulate(labels, tmp_path / "undisturbed")
    stopped(labels, tmp_path / "stopped")
    path = tmp_path / "stopped" / file
    path.write_bytes(path.read_bytes()[:-20])
    imaged.clear()
    np.testing.assert_array_equal(simulate(labels, tmp_path / "stopped")[0], undisturbed)
    assert len(imaged) == SLICES
