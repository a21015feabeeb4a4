import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.adapters.grains.plugin import Grains
from fib_plugins.sources.virtual_stacks import VirtualStacks
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels
from fibcore.materials import EPOXY, GOLD, VACUUM

SHAPE = (24, 40, 36)


def structure(filler=EPOXY):
    """Return solid on the left, and a solid floor from slice 16 on below the pore on the right."""
    data = np.zeros(SHAPE, np.uint8)
    data[:, :, :18] = 1
    data[16:] = 1
    return Labels(data, (5.0, 5.0, 5.0), {0: filler, 1: GOLD})


def images(labels, dtype="float32", **channels):
    grey = {"float32": (0.1, 0.5), "uint8": (25, 128), "uint16": (6000, 32000)}[dtype]
    data = np.where(labels.data > 0, grey[1], grey[0]).astype(dtype)
    channels = channels or {"kv": (2.0,)}
    stack = np.repeat(data[None], len(channels["kv"]), axis=0)
    return Images(stack, labels.voxel_size_nm, **channels)


def grained(labels, dtype="float32", seed=1, threads=1, channels=None, **params):
    context = Context(seed, threads=threads)
    given = images(labels, dtype, **(channels or {}))
    made = Grains(**{"grain_diameter_nm": 40.0, "contrast": 0.1, **params}).transform(
        given, labels, context=context
    )
    return given, made, context.kept


def test_it_is_a_plugin():
    assert check_plugin(Grains) == []


def test_every_grain_has_one_factor_within_the_contrast():
    given, made, kept = grained(structure())
    ratio, numbers = made.data[0] / given.data[0], kept["grain_numbers"].data[0]
    table = kept["grains"]
    assert sorted(np.unique(numbers)) == [0, *table["grain"]]
    for grain, voxels, factor in zip(
        table["grain"], table["voxels"], table["2_kV_factor"], strict=True
    ):
        here = numbers == grain
        assert here.sum() == voxels
        assert ratio[here] == pytest.approx(factor, rel=1e-6)
    assert np.abs(table["2_kV_factor"] - 1).max() <= 0.05
    assert (table["phase"] == 1).all()
    assert ((numbers == 0) == (structure().data == 0)).all()


def test_factors_are_uniform_and_grains_have_their_mean_volume():
    labels = Labels(np.ones((60, 60, 60), np.uint8), (5.0, 5.0, 5.0), {0: EPOXY, 1: GOLD})
    _, _, kept = grained(labels, periodic=True, grain_diameter_nm=30.0)
    table = kept["grains"]
    assert table["voxels"].mean() * 125 == pytest.approx(np.pi / 6 * 30**3, rel=0.01)
    # Var(v) = 0.179 of Poisson-Voronoi cells
    assert np.var(table["voxels"]) / table["voxels"].mean() ** 2 == pytest.approx(0.179, rel=0.2)
    assert np.std(table["2_kV_factor"]) == pytest.approx(0.1 / np.sqrt(12), rel=0.06)
    assert np.mean(table["2_kV_factor"]) == pytest.approx(1.0, abs=0.003)


def test_grains_below_show_through_open_pores_only():
    for filler in (VACUUM, EPOXY):
        labels = structure(filler)
        given, made, _ = grained(labels)
        ratio = made.data[0] / given.data[0]
        pore = ratio[:16, :, 18:]
        if filler is VACUUM:
            assert np.std(pore) > 0.005
            assert pore == pytest.approx(np.broadcast_to(ratio[16, :, 18:], pore.shape), rel=1e-6)
        else:
            assert (pore == 1).all()


def test_nothing_is_seen_through_a_pore_without_end():
    labels = Labels(np.zeros((4, 8, 8), np.uint8), (5.0, 5.0, 5.0), {0: VACUUM, 1: GOLD})
    given, made, _ = grained(labels)
    assert (made.data == given.data).all()


def test_detectors_share_orientations_and_voltages_do_not():
    channels = {"kv": (2.0, 2.0, 1.0), "detectors": ("bse", "se", "bse")}
    _, _, kept = grained(structure(), channels=channels, contrast=(0.1, 0.05, 0.1))
    names = [name for name in kept["grains"].names if name.endswith("_factor")]
    bse, se, other = (kept["grains"][name] - 1 for name in names)
    assert bse == pytest.approx(2 * se, abs=1e-6)
    assert abs(np.corrcoef(bse, other)[0, 1]) < 0.5


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_integers_are_rounded_and_clipped(dtype):
    labels = structure()
    given, made, kept = grained(labels, dtype, black_level=10.0)
    factor = np.concatenate([[1.0], np.zeros(int(kept["grain_numbers"].data.max()))])
    factor[kept["grains"]["grain"]] = kept["grains"]["2_kV_factor"]
    wanted = 10 + (given.data[0] - 10.0) * factor[kept["grain_numbers"].data[0].astype(int)]
    assert made.data.dtype == dtype
    assert np.abs(made.data[0] - wanted).max() <= 0.51
    top = np.iinfo(dtype).max
    bright = images(labels, dtype)
    bright.data[:] = top
    clipped = Grains(grain_diameter_nm=40, contrast=0.2).transform(
        bright, labels, context=Context(1)
    )
    assert clipped.data.max() == top
    assert clipped.data.min() < 0.95 * top


def test_phases_may_have_grains_of_their_own():
    labels = structure()
    labels.data[:, 20:, :18] = 2
    three = Labels(labels.data, labels.voxel_size_nm, {0: EPOXY, 1: GOLD, 2: GOLD})
    _, _, kept = grained(three, grain_diameter_nm={"1": 25.0, "2": 60.0})
    table = kept["grains"]
    numbers = kept["grain_numbers"].data[0]
    for grain, phase in zip(table["grain"], table["phase"], strict=True):
        assert (three.data[numbers == grain] == phase).all()
    means = [table["voxels"][table["phase"] == phase].mean() for phase in (1, 2)]
    assert means[1] > 2 * means[0]
    _, _, kept = grained(three, grain_diameter_nm={2: 30.0})
    assert (kept["grain_numbers"].data[0][three.data != 2] == 0).all()


def test_threads_and_slabs_do_not_change_a_byte(monkeypatch):
    _, one, _ = grained(structure(VACUUM))
    monkeypatch.setattr("fib_plugins.adapters.grains.plugin.SLICES", 5)
    _, two, _ = grained(structure(VACUUM), threads=2)
    assert one.data.tobytes() == two.data.tobytes()


def test_variants_have_another_size_and_contrast():
    given = Grains(grain_diameter_nm={1: 40.0}, contrast=0.1)
    variants = [given.randomised(np.random.default_rng(seed), 0.5) for seed in range(30)]
    sizes = np.array([v.grain_diameter_nm[1] for v in variants])
    contrasts = np.array([v.contrast[0] for v in variants])
    for drawn, centre in ((sizes, 40.0), (contrasts, 0.1)):
        assert centre / 1.5 <= drawn.min() < 0.8 * centre
        assert 1.25 * centre < drawn.max() <= 1.5 * centre
    assert given.randomised(np.random.default_rng(0), 0.0) == given
    with pytest.raises(FibError, match="negative"):
        given.randomised(np.random.default_rng(0), -1.0)


def test_what_does_not_fit_is_refused():
    labels, given = structure(), images(structure())
    with pytest.raises(FibError, match="needs the structure"):
        Grains(grain_diameter_nm=40).transform(given)
    with pytest.raises(FibError, match="contrast is given for 2 channels"):
        Grains(grain_diameter_nm=40, contrast=(0.1, 0.2)).transform(given, labels)
    with pytest.raises(FibError, match="in nm"):
        Grains(grain_diameter_nm=0.1).forecast(
            "transform", {"images": given.spec, "labels": labels.spec}
        )
    other = Labels(labels.data[:5], labels.voxel_size_nm)
    with pytest.raises(FibError, match="labels"):
        Grains(grain_diameter_nm=40).transform(given, other)
    with pytest.raises(ValidationError, match="no phase"):
        Grains(grain_diameter_nm={})


def test_the_forecast_names_the_kept_volume():
    given = images(structure())
    found = Grains(grain_diameter_nm=40).forecast(
        "transform", {"images": given.spec, "labels": structure().spec}
    )
    _, _, kept = grained(structure())
    assert found.output == given.spec
    assert found.kept["grain_numbers"] == kept["grain_numbers"].spec


def test_given_numbers_are_the_grains():
    labels, given = structure(), images(structure())
    numbers = np.where(labels.data > 0, 1 + np.arange(SHAPE[1])[:, None] // 10, 0)
    for dtype in ("uint16", "float32"):
        volume = Images(numbers.astype(dtype), labels.voxel_size_nm, kv=(None,))
        context = Context(1)
        plugin = Grains(contrast=0.2)
        made = plugin.transform(given, labels, volume, context)
        assert "grain_numbers" not in context.kept
        table = context.kept["grains"]
        assert table["grain"].tolist() == [1, 2, 3, 4]
        assert (table["phase"] == 1).all()
        for grain, factor in zip(table["grain"], table["2_kV_factor"], strict=True):
            ratio = made.data[0][numbers == grain] / given.data[0][numbers == grain]
            assert ratio == pytest.approx(factor, rel=1e-6)
        inputs = {"images": given.spec, "labels": labels.spec, "grain_numbers": volume.spec}
        assert plugin.forecast("transform", inputs).kept == {}
    wrong = Images(numbers.astype("float32") + 0.5, labels.voxel_size_nm, kv=(None,))
    with pytest.raises(FibError, match="whole numbers"):
        Grains().transform(given, labels, wrong)
    with pytest.raises(FibError, match="one number for each voxel"):
        Grains().transform(given, labels, volume.cut({"z": (0, 0.5)}))
    with pytest.raises(FibError, match="there are no grains"):
        Grains().transform(given, labels)


def test_virtual_stacks_pass_the_grains_of_a_structure_on():
    def source(cells):
        return VirtualStacks(
            structures=[
                {
                    "plugin": "generator/foam",
                    "params": {
                        "shape": [8, 32, 32],
                        "voxel_size_nm": 5,
                        "cells": cells,
                        "arrangement": "random",
                        "cell_diameter_nm": 60,
                        "thickness_nm": 10,
                    },
                }
            ],
            simulator={
                "plugin": "simulator/weighted_projection",
                "params": {"energies_kev": [2], "mode": "first_hit"},
            },
            effects=[{"plugin": "adapter/grains", "params": {"contrast": 0.2}}],
        )

    made, labels = source("grains").pair("training", 0, Context(2))
    assert source("grains").forecast("sample", {}).output is not None
    solid = np.unique(made.data[0][labels.data == 1])
    assert 5 < len(solid) < 300  # one grey value for each grain
    with pytest.raises(FibError, match="there are no grains"):
        source("open").forecast("sample", {})


def test_virtual_stacks_have_other_grains_in_each_pair():
    def source(effects):
        return VirtualStacks(
            structures=[
                {
                    "plugin": "generator/leveled_wave",
                    "params": {
                        "shape": [8, 32, 32],
                        "voxel_size_nm": 5,
                        "wavelength_nm": 100,
                        "solid_fraction": 0.5,
                        "waves": 40,
                    },
                }
            ],
            simulator={
                "plugin": "simulator/weighted_projection",
                "params": {"energies_kev": [2]},
            },
            effects=effects,
        )

    grains = {
        "plugin": "adapter/grains",
        "params": {"grain_diameter_nm": {"between": [30, 60]}, "contrast": 0.2},
    }
    plain, with_grains = source([]), source([grains])
    assert with_grains.forecast("sample", {}).output == plain.forecast("sample", {}).output
    ratios = []
    for number in range(2):
        ideal, labels = plain.pair("training", number, Context(1))
        shown, same = with_grains.pair("training", number, Context(1))
        assert same.data.tobytes() == labels.data.tobytes()
        solid = labels.data == 1
        ratio = shown.data[0][solid] / ideal.data[0][solid]
        assert 0.01 < ratio.std() < 0.1
        ratios.append(ratio.std())
    assert ratios[0] != ratios[1]
