"""The Monte Carlo simulator: its images, and what they depend on."""

from __future__ import annotations

import logging
import re

import numpy as np
import pytest

from fib_plugins.electrons.layers import layered_yield
from fib_plugins.electrons.medium import build_tables
from fib_plugins.simulators.monte_carlo import MonteCarlo
from fib_plugins.testing import check_plugin
from fibcore import Context, Images, Labels, Material
from fibcore.elements import elements
from fibcore.errors import PipelineError
from fibcore.materials import EPOXY, GOLD, VACUUM
from fibcore.pipeline import check_pipeline

PHASES = {0: EPOXY, 1: GOLD}
QUICK = {"energies_kev": (1.0,), "electrons_per_pixel": 25}


@pytest.fixture(scope="module")
def labels():
    coarse = np.random.default_rng(2).integers(0, 2, (3, 4, 5))
    return Labels(np.kron(coarse, np.ones((2, 3, 3))).astype(np.uint8), (4.0, 3.0, 3.0), PHASES)


def simulate(labels, *, seed=5, threads=1, **settings):
    """Return images (channel, z, y, x)."""
    return MonteCarlo(**QUICK | settings).simulate(labels, context=Context(seed, threads=threads))


def expect_noise_alone(one, other, electrons):
    both = 0.5 * (one + other)
    noise = np.sqrt(np.maximum(2 * both * (1 - both), 1 / electrons) / electrons)
    deviation = (one - other) / noise
    assert abs(deviation.mean()) < 4 / np.sqrt(deviation.size)
    assert np.sqrt(np.mean(deviation**2)) == pytest.approx(1.0, abs=0.15)


def test_keeps_the_contract():
    assert check_plugin(MonteCarlo) == []


def test_every_slice_is_imaged_at_every_voltage(labels):
    images = simulate(labels, energies_kev=(1.0, 3.0))
    assert images.data.shape == (2, *labels.shape)
    assert images.data.dtype == np.float32
    assert images.kv == (1.0, 3.0)
    assert images.voxel_size_nm == labels.voxel_size_nm
    assert images.quantity == "backscatter yield"
    electrons = images.data.astype(float) * 25
    np.testing.assert_allclose(electrons, np.round(electrons), atol=1e-4)
    assert 0 <= electrons.min() < electrons.max() <= 25


def test_gold_at_the_face_is_bright_and_shines_through_epoxy_the_more_the_higher_the_voltage():
    data = np.zeros((12, 6, 6), np.uint8)
    data[6:] = 1
    labels = Labels(data, 4.0, PHASES)
    yields = simulate(labels, energies_kev=(1.0, 4.0), electrons_per_pixel=400).data.mean((2, 3))
    low, high = yields
    assert low[6:] == pytest.approx(0.41, abs=0.03)  # bare gold at 1 kV, mirrored below
    assert high[6:] == pytest.approx(0.455, abs=0.03)
    assert low[0] < 0.15  # gold under 24 nm of epoxy
    assert high[0] > 0.3
    assert np.all(np.diff(low[:7]) > -0.02)


def test_the_same_bytes_on_any_number_of_threads(labels):
    one, two = (simulate(labels, threads=threads).data for threads in (1, 2))
    np.testing.assert_array_equal(one, two)


def test_slices_and_region_are_cut_out_of_the_whole(labels):
    whole = simulate(labels, energies_kev=(1.0, 2.0)).data
    part = simulate(
        labels, energies_kev=(1.0, 2.0), slices=(2, 5), region=((1, 9), (4, 11)), threads=2
    )
    np.testing.assert_array_equal(part.data, whole[:, 2:5, 1:9, 4:11])


def test_a_channel_does_not_depend_on_the_other_voltages(labels):
    alone = simulate(labels, energies_kev=(2.0,)).data[0]
    both = simulate(labels, energies_kev=(1.0, 2.0)).data
    np.testing.assert_array_equal(both[1], alone)
    np.testing.assert_array_equal(simulate(labels, energies_kev=(2.0, 1.0)).data, both[::-1])


def test_another_seed_gives_other_noise_alone(labels):
    one, other = (simulate(labels, seed=seed, electrons_per_pixel=200).data for seed in (1, 2))
    assert np.any(one != other)
    expect_noise_alone(one, other, 200)


def test_other_structures_have_other_noise_at_the_same_seed(labels):
    thicker = Labels(labels.data, (4.4, 3.0, 3.0), PHASES)
    changed = labels.data.copy()
    changed[-1, -1, -1] ^= 1
    copper = {0: EPOXY, 1: Material.of_element(elements()["Cu"])}
    others = (thicker, labels.with_data(changed), Labels(labels.data, labels.voxel_size_nm, copper))
    yields = [simulate(each, electrons_per_pixel=100).data[0] for each in (labels, *others)]
    means = [simulate(each, electrons_per_pixel=1000, seed=9).data[0] for each in (labels, *others)]
    own, *noise = (one - mean for one, mean in zip(yields, means, strict=True))
    for other in noise:
        correlation = np.corrcoef(own.ravel(), other.ravel())[0, 1]
        assert abs(correlation) < 4 / np.sqrt(own.size)  # .3 if the random numbers are the same


def slab(slices, thickness_nm=10.0, phases=PHASES):
    return Labels(np.zeros((slices, 2, 2), np.uint8), (thickness_nm, 3.0, 3.0), phases)


@pytest.mark.parametrize(
    ("structure", "settings", "warning"),
    [
        (slab(12), {}, r"the last 7 of 12 slices .* 67 nm .* 2 keV .* \(slices \[0, 5\]\)"),
        (slab(12), {"energies_kev": (2.0, 1.0), "slices": (3, 6)}, "the last 1 of 3 slices"),
        (slab(12), {"slices": (5, 8)}, "all slices lie .* Use a deeper structure"),
        (slab(6), {}, "all slices lie less than 67 nm above the end"),
        (slab(12, phases={0: GOLD}), {}, "the last 2 of 12 slices .* 18 nm"),
        (slab(12), {"slices": (0, 5)}, None),
        (slab(12), {"below": "mirror"}, None),
        (slab(12), {"below": 0}, None),
        (slab(12, phases={0: VACUUM}), {}, None),
    ],
)
def test_slices_that_show_what_lies_below_the_structure_are_warned_of(
    structure, settings, warning, caplog
):
    simulate(structure, **{"energies_kev": (2.0,), "electrons_per_pixel": 1} | settings)
    if warning is None:
        assert not caplog.records
    else:
        assert re.search(warning, caplog.text)


def test_the_images_that_are_not_warned_of_do_not_depend_on_what_lies_below():
    data = np.zeros((12, 30, 30), np.uint8)
    images = [
        simulate(
            Labels(data, 10.0, PHASES),
            energies_kev=(2.0,), electrons_per_pixel=100, slices=(4, 6), below=below,
        ).data[0]
        for below in (0, 1)
    ]  # fmt: skip
    np.testing.assert_array_equal(images[0][0], images[1][0])
    assert images[0][1].mean() == pytest.approx(
        images[1][1].mean(), rel=0.02
    )  # from 60 of 67 nm hardly any


def test_both_precisions_agree_within_noise(labels):
    single = simulate(labels, electrons_per_pixel=200).data
    double = simulate(labels, electrons_per_pixel=200, seed=6, precision="float64").data
    expect_noise_alone(single, double, 200)


def test_labels_in_any_memory_give_the_same_images_and_stay_as_they_are(labels, tmp_path):
    expected = simulate(labels).data
    np.save(tmp_path / "labels.npy", labels.data)
    mapped = np.load(tmp_path / "labels.npy", mmap_mode="r")
    reversed_twice = np.asfortranarray(labels.data)
    for data in (mapped, reversed_twice):
        again = simulate(Labels(data, labels.voxel_size_nm, PHASES))
        np.testing.assert_array_equal(again.data, expected)
        np.testing.assert_array_equal(data, labels.data)


def test_a_pipeline_that_gives_it_a_physics_model_is_refused(tmp_path):
    gold = {"shape": [4, 8, 8], "voxel_size_nm": 10, "ligament_diameter_nm": 40}
    steps = [
        {"id": "gold", "run": "generator/leveled_wave", "params": gold},
        {"id": "law", "run": "physics/hunger_kuchler"},
        {
            "id": "mc",
            "run": "simulator/monte_carlo",
            "inputs": {"labels": "gold", "physics": "law"},
            "params": {"energies_kev": [2]},
        },
    ]
    with pytest.raises(PipelineError, match="takes no input 'physics'; it takes labels"):
        check_pipeline({"version": 1, "name": "mc", "steps": steps}, base=tmp_path)


def test_phases_that_are_known_but_do_not_occur_change_nothing(labels):
    more = Labels(labels.data, labels.voxel_size_nm, {**PHASES, 2: VACUUM, 9: EPOXY})
    np.testing.assert_array_equal(simulate(more).data, simulate(labels).data)


def test_phases_of_one_material_are_as_one(labels):
    split = labels.data * np.random.default_rng(0).integers(1, 3, labels.shape, dtype=np.uint8)
    parts = Labels(split, labels.voxel_size_nm, {0: EPOXY, 1: GOLD, 2: GOLD})
    one = simulate(labels, electrons_per_pixel=200).data
    other = simulate(parts, electrons_per_pixel=200, seed=6).data
    expect_noise_alone(one, other, 200)


@pytest.mark.parametrize("below", ["mirror", "repeat", 0, 1])
def test_what_lies_below_the_last_slice_is_as_if_it_were_there(labels, below):
    pads = {"mirror": "symmetric", "repeat": "edge"}
    if isinstance(below, str):
        deep = np.pad(labels.data, ((0, 6), (0, 0), (0, 0)), mode=pads[below])
    else:
        deep = np.pad(labels.data, ((0, 6), (0, 0), (0, 0)), constant_values=below)
    settings = {"electrons_per_pixel": 200, "slices": (5, 6)}
    one = simulate(labels, below=below, **settings).data
    other = simulate(Labels(deep, labels.voxel_size_nm, PHASES), seed=6, below=0, **settings).data
    expect_noise_alone(one, other, 200)  # 24 nm: half the range of electrons of 1 keV in epoxy


@pytest.mark.parametrize("lateral", ["periodic", "mirror"])
def test_what_lies_beyond_the_sides_is_as_if_it_were_there(labels, lateral):
    mode = {"periodic": "wrap", "mirror": "symmetric"}[lateral]
    wide = np.pad(labels.data, ((0, 0), (8, 8), (8, 8)), mode=mode)
    settings = {"electrons_per_pixel": 200, "slices": (0, 1)}
    one = simulate(labels, lateral=lateral, **settings).data
    ny, nx = labels.shape[1:]
    other = simulate(
        Labels(wide, labels.voxel_size_nm, PHASES),
        seed=6, region=((8, 8 + ny), (8, 8 + nx)), **settings,
    )  # fmt: skip
    expect_noise_alone(one, other.data, 200)


def test_energies_weigh_less_than_counts_and_more_than_the_cut_off(labels):
    counts = simulate(labels, cutoff_ev=300.0).data
    weighed = simulate(labels, cutoff_ev=300.0, detector_weighting="energy").data
    seen = counts > 0
    assert np.all(weighed[seen] < counts[seen])
    assert np.all(weighed[seen] > 0.3 * counts[seen])
    assert not weighed[~seen].any()


def test_windows_of_energy_and_angle_share_the_electrons(labels):
    whole = simulate(labels).data
    for windows in (
        [{"detector_energy": window} for window in ((0, 0.8), (0.8, 1))],
        [{"detector_polar_deg": window} for window in ((0, 45), (45, 180))],
    ):
        parts = [simulate(labels, **window).data for window in windows]
        assert all(part.any() for part in parts)
        np.testing.assert_allclose(sum(parts), whole, atol=1e-6)


def test_models_of_scattering_and_loss_matter():
    gold = Labels(np.ones((1, 12, 12), np.uint8), 50.0, PHASES)
    settings = {"energies_kev": (5.0,), "electrons_per_pixel": 200}
    found = {
        name: float(simulate(gold, **settings, **models).data.mean())
        for name, models in {
            "plain": {}, "rutherford": {"elastic": "rutherford"},
            "dielectric": {"energy_loss": "dielectric"},
        }.items()
    }  # fmt: skip
    noise = np.sqrt(0.25 / (144 * 200))
    assert found["plain"] == pytest.approx(0.457, abs=0.02)
    assert abs(found["rutherford"] - found["plain"]) > 5 * noise
    carbon = Labels(np.zeros((1, 12, 12), np.uint8), 50.0, PHASES)
    plain, more = (
        float(simulate(carbon, **settings, atomic_electrons=with_them).data.mean())
        for with_them in (False, True)
    )
    assert more > plain


def test_a_tilted_beam_returns_more_and_a_wide_one_blurs(labels):
    settings = {"electrons_per_pixel": 200, "slices": (0, 1)}
    plain = simulate(labels, **settings).data
    assert simulate(labels, tilt_deg=60.0, **settings).data.mean() > plain.mean() + 0.03
    wide = simulate(labels, beam_diameter_nm=60.0, **settings).data
    assert np.std(wide) < 0.5 * np.std(plain)
    assert wide.mean() == pytest.approx(plain.mean(), abs=0.01)


def test_the_mean_depth_is_kept_on_request(labels):
    context = Context(5, threads=1)
    data = labels.data.copy()
    MonteCarlo(**QUICK).simulate(labels, context=context)
    assert context.kept == {}
    data[:, :6, :6] = 2  # a shaft of vacuum, open below
    shaft = Labels(data, labels.voxel_size_nm, {**PHASES, 2: VACUUM})
    context = Context(5, threads=1)
    simulator = MonteCarlo(**QUICK | {"energies_kev": (1.0, 2.0)}, mean_depth=True, below=2)
    images = simulator.simulate(shaft, context=context)
    depth = context.kept["depth"]
    assert isinstance(depth, Images)
    assert depth.data.shape == images.data.shape
    assert depth.kv == images.kv
    assert depth.quantity == "mean depth in nm"
    seen = images.data > 0
    assert np.all(depth.data[seen] > 0)
    assert not depth.data[~seen].any()
    assert (~seen).any()
    for channel, energy in enumerate((1.0, 2.0)):
        farthest = build_tables([EPOXY], energy).range_max_nm[0] / 2  # in and out again
        assert depth.data[channel].max() < farthest + 24.0  # through vacuum at no cost
    assert depth.data[1][seen[1]].mean() > 1.5 * depth.data[0][seen[0]].mean()


def test_the_mean_depth_of_a_uniform_volume_is_that_of_bulk():
    gold = Labels(np.ones((1, 10, 10), np.uint8), 50.0, PHASES)
    context = Context(1, threads=1)
    simulator = MonteCarlo(energies_kev=(2.0,), electrons_per_pixel=200, mean_depth=True)
    images = simulator.simulate(gold, context=context).data
    depth = np.average(context.kept["depth"].data, weights=images)
    expected = layered_yield(GOLD, GOLD, 0.0, 2.0, 40_000, seed=2).mean_depth_nm
    assert depth == pytest.approx(expected, rel=0.03)


def test_progress_counts_slices_of_all_channels_and_time_is_told(labels, caplog):
    told = []
    context = Context(
        5, threads=1, report=lambda what, done, total: told.append((what, done, total))
    )
    with caplog.at_level(logging.INFO, "fib"):
        MonteCarlo(**QUICK | {"energies_kev": (1.0, 2.0)}, slices=(0, 3)).simulate(
            labels, context=context
        )
    assert told == [("slices imaged", done, 6) for done in range(7)]
    assert "6 slices to image, in about" in caplog.text


def test_a_structure_in_a_file_gives_the_same_electrons(labels, monkeypatch):
    held = simulate(labels)
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 0)
    np.testing.assert_array_equal(simulate(labels).data, held.data)
