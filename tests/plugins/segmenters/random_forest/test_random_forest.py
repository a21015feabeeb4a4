import logging
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

import fib_plugins.segmenters.random_forest.plugin as module
from fib_plugins.segmenters.random_forest.plugin import RandomForest
from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.testing import check_plugin
from fibcore import Context, FibError, Images, Labels, Material, Model, VolumeSpec
from fibcore.formats import read_model, write_model

VOXEL_NM = (5.0, 5.0, 5.0)

SMALL: dict[str, Any] = {"trees": 20, "sample_voxels": 6000, "sigma_max": 4.0}
"""Parameters with which a forest learns something in a second."""


@pytest.fixture(scope="module")
def forest(images: Images, structure: Labels) -> RandomForest:
    """A small forest on shine-through images, trained with seed 1."""
    return RandomForest(**SMALL).fit(images, structure, context=Context(1))


def wrong(forest: RandomForest, images: Images, truth: Labels) -> float:
    return float(np.mean(forest.predict(images).data != truth.data))


def grains(seed: int) -> tuple[Images, Labels]:
    """Coarse and fine grains of the same grey values, in a structure of large blobs."""
    rng = np.random.default_rng(seed)
    shape = (4, 96, 96)
    solid = gaussian_filter(rng.normal(size=shape), (0, 8, 8)) > 0
    fine, coarse = rng.normal(size=(2, *shape))
    coarse = gaussian_filter(coarse, (0, 1.5, 1.5))
    grey = np.where(solid, coarse / coarse.std(), fine / fine.std())
    return Images(grey.astype(np.float32), VOXEL_NM, kv=(2.0,)), Labels(solid, VOXEL_NM)


def test_keeps_the_contract() -> None:
    assert check_plugin(RandomForest) == []


def test_scales_are_those_of_scikit_image() -> None:
    assert RandomForest().sigmas_px == (0.5, 1.0, 2.0, 4.0, 8.0)
    assert RandomForest(sigma_min=1.0, sigma_max=1.0).sigmas_px == (1.0,)
    assert RandomForest(sigma_min=1.0, sigma_max=3.0).sigmas_px == pytest.approx((1.0, 3.0))


def test_phases_that_differ_in_texture_alone_are_told_apart() -> None:
    images, structure = grains(1)
    others, truth = grains(2)
    forest = RandomForest(**SMALL).fit(images, structure)
    assert np.mean(Threshold().predict(others).data != truth.data) > 0.4
    assert wrong(forest, others, truth) < 0.12


def test_neighbouring_slices_tell_surface_from_what_shines_through(
    forest: RandomForest,
    images: Images,
    structure: Labels,
    other_images: Images,
    other_structure: Labels,
) -> None:
    wider = RandomForest(**SMALL, slices_below=3).fit(images, structure)
    volume = RandomForest(**SMALL, dimensions="3d").fit(images, structure)
    alone = wrong(forest, other_images, other_structure)
    assert wrong(wider, other_images, other_structure) < 0.7 * alone
    assert wrong(volume, other_images, other_structure) < 0.9 * alone


@pytest.mark.parametrize("params", [{}, {"slices_above": 1, "slices_below": 2}])
def test_neither_threads_nor_slabs_change_a_byte(
    params: dict[str, int],
    images: Images,
    structure: Labels,
    other_images: Images,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def results(threads: int, slab_voxels: int, tile_pixels: int = 2**20) -> list[bytes]:
        monkeypatch.setattr(module, "SLAB_VOXELS", slab_voxels)
        monkeypatch.setitem(module.TILE_PIXELS, "2d", tile_pixels)
        context = Context(1, threads=threads)
        forest = RandomForest(**SMALL, **params, save_probability=True)
        forest.fit(images, structure, context=context)
        labels = forest.predict(other_images, context)
        arrays = [labels.data, context.kept["probability"].data]
        arrays += [array for _, array in sorted(forest.model.weights.items())]
        tables = [context.kept[name].to_csv().encode() for name in ("importances", "out_of_bag")]
        return [array.tobytes() for array in arrays] + tables

    once = results(1, 2**20)
    assert results(2, 5 * 64 * 64) == once
    assert results(3, 1) == once
    assert results(2, 5 * 64 * 64, 30 * 64) == once


def test_the_seed_decides(images: Images, structure: Labels, forest: RandomForest) -> None:
    other = RandomForest(**SMALL).fit(images, structure, context=Context(2))
    same = RandomForest(**SMALL).fit(images, structure, context=Context(1))
    assert np.array_equal(same.model.weights["threshold"], forest.model.weights["threshold"])
    assert not np.array_equal(other.model.weights["threshold"], forest.model.weights["threshold"])


def test_progress_tells_of_slices_and_trees(
    images: Images, structure: Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SLAB_VOXELS", 5 * 64 * 64)
    seen: list[tuple[str, float, float | None]] = []
    context = Context(1, threads=2, report=lambda *report: seen.append(report))
    RandomForest(**{**SMALL, "trees": 23}).fit(images, structure, context=context)
    assert seen == [("slices seen", n, 24) for n in (10, 20, 24)] + [
        ("trees grown", n, 23) for n in (10, 20, 23)
    ]


def test_a_model_from_disk_predicts_the_same(
    forest: RandomForest, other_images: Images, tmp_path: Path
) -> None:
    write_model(forest.model, tmp_path / "model.safetensors")
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    read = RandomForest.from_model(read_model(tmp_path / "model.safetensors"))
    assert np.array_equal(read.predict(other_images).data, forest.predict(other_images).data)


def test_probabilities_are_such_and_the_most_probable_phase_wins(
    forest: RandomForest, other_images: Images
) -> None:
    context = Context(1)
    labels = RandomForest.from_model(forest.model, save_probability=True).predict(
        other_images, context
    )
    kept = context.kept["probability"]
    assert kept.data.dtype == np.float32
    assert kept.data.min() >= 0.0
    assert np.allclose(kept.data.sum(axis=0), 1.0, atol=1e-5)
    assert np.array_equal(kept.data.argmax(axis=0), labels.data)
    assert (kept.names, kept.quantity) == (("p(epoxy)", "p(Au)"), "probability")
    plain = Context(1)
    assert np.array_equal(forest.predict(other_images, plain).data, labels.data)
    assert plain.kept == {}


def test_phases_keep_their_numbers_and_materials() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(np.array([0, 3, 7], np.uint8), (3, 8, 8)).repeat(6, axis=1).repeat(6, axis=2)
    phases = {
        number: Material(name=name, composition={"Si": 1}, density_g_cm3=2.0)
        for number, name in ((0, "pore"), (3, "a"), (5, "absent"), (7, "b"))
    }
    grey = (10.0 * truth + rng.normal(size=truth.shape)).astype(np.float32)
    images, context = Images(grey, VOXEL_NM, kv=(2.0,)), Context(0)
    forest = RandomForest(**SMALL, save_probability=True).fit(
        images, Labels(truth, VOXEL_NM, phases), context=context
    )
    labels = forest.predict(images, context)
    assert np.mean(labels.data == truth) > 0.98
    assert dict(labels.phases) == phases
    assert context.kept["probability"].names == ("p(pore)", "p(a)", "p(absent)", "p(b)")
    assert not context.kept["probability"].data[2].any()
    table = context.kept["out_of_bag"]
    assert table["phase"].tolist() == ["all", "pore", "a", "absent", "b"]
    assert table["voxels"][0] == table["voxels"][1:].sum() == 6000
    assert table["accuracy_percent"][3] is None


def test_out_of_bag_accuracy_sees_through_what_was_learned_by_heart() -> None:
    # Labels of pure chance: a forest knows its training voxels, and nothing else.
    rng = np.random.default_rng(0)
    images = Images(rng.normal(size=(4, 40, 40)).astype(np.float32), VOXEL_NM, kv=(2.0,))
    labels = Labels(rng.random((4, 40, 40)) < 0.5, VOXEL_NM)
    context = Context(0)
    forest = RandomForest(trees=40, sigma_max=2.0).fit(images, labels, context=context)
    assert wrong(forest, images, labels) < 0.02
    table = context.kept["out_of_bag"]
    assert table["voxels"][0] == 6400
    assert table["accuracy_percent"][0] == pytest.approx(50.0, abs=4.0)


def test_voxels_that_every_tree_was_trained_on_are_not_judged(
    images: Images, structure: Labels
) -> None:
    context = Context(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RandomForest(**{**SMALL, "trees": 1}).fit(images, structure, context=context)
    # A sample of n out of n with replacement leaves out a share of 1 / e.
    assert context.kept["out_of_bag"]["voxels"][0] == pytest.approx(6000 / np.e, rel=0.05)


def test_importances_name_the_channel_that_tells(structure: Labels, images: Images) -> None:
    blank = np.random.default_rng(0).normal(size=images.data.shape).astype(np.float32)
    both = Images(np.concatenate([blank, images.data]), VOXEL_NM, kv=(1.0, 2.0))
    context = Context(0)
    forest = RandomForest(**SMALL).fit(both, structure, context=context)
    table = context.kept["importances"]
    assert sorted(table["feature"]) == sorted(forest.model.info["features"])
    assert len(set(table["feature"])) == 2 * 4 * 4
    assert table["importance"].sum() == pytest.approx(1.0)
    assert (np.diff(table["importance"]) <= 0).all()
    assert all(name.startswith("2 kV ") for name in table["feature"][:5])


def test_channels_in_another_order_are_put_right(
    structure: Labels, images: Images, other_images: Images
) -> None:
    def pair(stack: Images, order: tuple[int, int]) -> Images:
        data = np.concatenate([stack.data, stack.data**2])[list(order)]
        return Images(data, VOXEL_NM, kv=tuple((2.0, 4.0)[i] for i in order))

    forest = RandomForest(**SMALL).fit(pair(images, (0, 1)), structure)
    right, turned = (forest.predict(pair(other_images, order)) for order in ((0, 1), (1, 0)))
    assert np.array_equal(right.data, turned.data)


@pytest.mark.parametrize(("normalization", "moves"), [("stack", False), ("training", True)])
def test_normalization_by_stack_makes_up_for_another_grey_scale(
    forest: RandomForest, other_images: Images, normalization: str, moves: bool
) -> None:
    foreign = other_images.with_data((3.0 * other_images.data + 7.0).astype(np.float32))
    plugin = RandomForest.from_model(forest.model, normalization=normalization)
    apart = np.mean(plugin.predict(foreign).data != plugin.predict(other_images).data)
    assert (apart > 0.1) == moves


def test_normalization_by_slice_follows_drift(
    images: Images, structure: Labels, other_images: Images
) -> None:
    drift = np.linspace(1.0, 2.0, 24, dtype=np.float32)[:, None, None]
    drifting = other_images.with_data(other_images.data * drift + drift)
    forest = RandomForest(**SMALL, normalization="slice").fit(images, structure)
    apart = np.mean(forest.predict(drifting).data != forest.predict(other_images).data)
    assert apart < 0.01


def test_other_voltages_and_voxel_sizes_are_warned_of(
    forest: RandomForest, other_images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        forest.predict(other_images)
        assert caplog.text == ""
        forest.predict(replace(other_images, voxel_size_nm=(5.0, 4.0, 4.0)))
        assert "the forest was trained on voxels of [5.0, 5.0, 5.0] nm" in caplog.text
        caplog.clear()
        forest.predict(replace(other_images, kv=(4.0,), names=()))
        assert "the forest was trained on 2 kV BSE" in caplog.text


def test_balanced_sampling_finds_more_of_a_rare_phase() -> None:
    def stack(seed: int) -> tuple[Images, Labels]:
        rng = np.random.default_rng(seed)
        field = gaussian_filter(rng.normal(size=(6, 64, 64)), (0, 3, 3))
        solid = field > np.quantile(field, 0.97)
        grey = solid + rng.normal(0, 1.0, solid.shape)
        return Images(grey.astype(np.float32), VOXEL_NM, kv=(2.0,)), Labels(solid, VOXEL_NM)

    (images, labels), (others, truth) = stack(1), stack(2)
    found = []
    for sampling in ("random", "balanced"):
        forest = RandomForest(**SMALL, sampling=sampling, min_samples_leaf=5).fit(images, labels)
        found.append(np.mean(forest.predict(others).data[truth.solid] == 1))
    assert found[1] > found[0] + 0.1


# -- what is refused -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "advice"),
    [
        ({"sigma_min": 4.0, "sigma_max": 2.0}, "give the finest scale as sigma_min"),
        ({"dimensions": "3d", "slices_below": 2}, "leave them out"),
    ],
)
def test_parameters_that_contradict_each_other_are_refused(
    params: dict[str, object], advice: str
) -> None:
    with pytest.raises(ValidationError, match=advice):
        RandomForest.model_validate(params)


def specs(shape: tuple[int, int, int], **changes: Any) -> dict[str, VolumeSpec]:
    return {
        "images": VolumeSpec(Images, shape, VOXEL_NM, (2.0,), "float32"),
        "labels": VolumeSpec(Labels, changes.get("labels", shape), VOXEL_NM),
    }


@pytest.mark.parametrize(
    ("params", "shape", "labels", "advice"),
    [
        ({}, (4, 40, 12), (4, 40, 12), "sigma_max of at most 6"),
        ({"dimensions": "3d"}, (1, 40, 40), (1, 40, 40), "dimensions '2d'"),
        ({}, (4, 40, 40), (4, 40, 41), "must show the same volume"),
    ],
)
def test_unfit_shapes_are_refused_before_and_while_running(
    params: dict[str, Any],
    shape: tuple[int, int, int],
    labels: tuple[int, int, int],
    advice: str,
) -> None:
    forest = RandomForest(**params)
    with pytest.raises(FibError, match=advice):
        forest.forecast("fit", specs(shape, labels=labels))
    images = Images(np.zeros(shape, np.uint8), VOXEL_NM, kv=(2.0,))
    with pytest.raises(FibError, match=advice):
        forest.fit(images, Labels(np.zeros(labels, np.uint8), VOXEL_NM))


def test_stacks_too_small_for_a_fitted_forest_are_refused(forest: RandomForest) -> None:
    with pytest.raises(FibError, match="larger images"):
        forest.predict(Images(np.zeros((2, 40, 7), np.uint8), VOXEL_NM, kv=(2.0,)))


def test_images_and_labels_that_nothing_can_be_learned_from_are_refused(
    images: Images, structure: Labels
) -> None:
    forest = RandomForest(**SMALL)
    with pytest.raises(FibError, match="same grey value"):
        forest.fit(images.with_data(np.ones_like(images.data)), structure)
    with pytest.raises(FibError, match="phase 0 only"):
        forest.fit(images, structure.with_data(np.zeros_like(structure.data)))
    with pytest.raises(FibError, match=r"phases \[0, 2\], but materials are known for \[0, 1\]"):
        forest.fit(images, structure.with_data(2 * structure.data))


@pytest.mark.parametrize("normalization", ["training", "stack", "slice"])
def test_images_that_are_not_finite_are_refused(
    forest: RandomForest, other_images: Images, normalization: str
) -> None:
    broken = other_images.data.copy()
    broken[0, 5, 6, 7] = np.nan
    plugin = RandomForest.from_model(forest.model, normalization=normalization)
    with pytest.raises(FibError, match="not finite"):
        plugin.predict(other_images.with_data(broken))


def test_other_numbers_of_channels_are_refused_before_and_while_running(
    forest: RandomForest, other_images: Images
) -> None:
    two = Images(np.concatenate([other_images.data] * 2), VOXEL_NM, kv=(1.0, 2.0))
    with pytest.raises(FibError, match=r"2 channels .* the forest was trained on 1"):
        forest.predict(two)
    with pytest.raises(FibError, match=r"2 channels .* the forest was trained on 1"):
        forest.forecast("predict", {"images": two.spec})


def test_an_unfitted_forest_says_so(other_images: Images) -> None:
    with pytest.raises(FibError, match="has to be fitted first"):
        RandomForest().predict(other_images)


DAMAGES: dict[str, Callable[[Model], Model]] = {
    "no weights": lambda model: replace(model, weights={}),
    "other features": lambda model: replace(model, params={**model.params, "sigma_max": 2.0}),
    "no memory of the images": lambda model: replace(model, info={}),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_models_are_refused(
    forest: RandomForest, other_images: Images, damage: Callable[[Model], Model]
) -> None:
    with pytest.raises(FibError, match="train another forest"):
        RandomForest.from_model(damage(forest.model)).predict(other_images)


# -- forecasts -------------------------------------------------------------------------------


def test_forecast_tells_labels_and_probability(forest: RandomForest) -> None:
    shape = (24, 64, 64)
    forecast = RandomForest(save_probability=True).forecast("predict", specs(shape))
    assert forecast.output is not None
    assert (forecast.output.type, forecast.output.shape) == (Labels, shape)
    assert forecast.kept["probability"].nbytes == 2 * 4 * np.prod(shape)
    of_fitted = forest.forecast("predict", specs(shape))
    assert of_fitted.output is not None
    assert of_fitted.output.phases == {0: "epoxy", 1: "Au"}
    assert of_fitted.kept == {}


def test_forecast_of_training_tells_the_model_and_grows_with_the_forest(
    images: Images, structure: Labels
) -> None:
    inputs = {"images": images.spec, "labels": structure.spec}
    model = RandomForest().forecast("fit", inputs).model
    assert model is not None
    assert model.info["kv"] == [2.0]

    def memory(**params: Any) -> int:
        big = specs((512, 512, 512))
        return RandomForest(**params).forecast("fit", big).memory_bytes

    assert memory() < memory(trees=500) < memory(trees=500, sample_voxels=10**6)
    assert memory(trees=1, slices_below=3) < memory(trees=1, dimensions="3d", sigma_max=64.0)
