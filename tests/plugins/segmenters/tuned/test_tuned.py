"""A network tuned on a few labels, or what teaches them better."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.segmenters.tuned.plugin import Tuned
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.testing import check_plugin
from fib_plugins.unlabelled import UNLABELLED
from fibcore import Context, FibError, Images, Labels, Material, Model, Table
from fibcore.elements import elements

QUICK: dict[str, Any] = {"steps": 8, "steps_cautious": 12, "batch_size": 4, "folds": 2}
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def of_slices(labels: Labels, slices: list[int]) -> Labels:
    data = np.full(labels.shape, UNLABELLED, np.uint8)
    data[slices] = labels.data[slices]
    return labels.with_data(data)


def inverted(images: Images) -> Images:
    """The same stack with dark solid: a network that was trained on bright solid is wrong."""
    return images.with_data(np.float32(images.data.max()) - images.data)


def tuned(start: UNet, images: Images, labels: Labels, **params: Any) -> tuple[Tuned, Context]:
    context = Context(5)
    segmenter = Tuned(**{**QUICK, **params})
    return segmenter.fit(images, labels, start, context), context


def changed(segmenter: Tuned, start: UNet) -> set[str]:
    before, after = start.model.weights, segmenter.model.weights
    return {name for name in before if not np.array_equal(before[name], after[name])}


def wrong(segmenter: Any, images: Images, truth: Labels) -> float:
    return float(np.mean(segmenter.predict(images).data != truth.data))


def rows(context: Context, name: str) -> list[dict[str, Any]]:
    table = context.kept[name]
    assert isinstance(table, Table)
    return table.rows()


def test_what_the_world_taught_wrong_is_corrected_by_two_slices(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    images, labels = inverted(other_images), of_slices(other_structure, [6, 15])
    assert wrong(fitted, images, other_structure) > 0.4
    segmenter, context = tuned(fitted, images, labels, candidates=("start", "full"), steps=60)
    assert wrong(segmenter, images, other_structure) < 0.2
    (chosen,) = (row for row in rows(context, "candidates") if row["chosen"])
    assert chosen["candidate"] == "full"
    assert 100 * wrong(segmenter, images, other_structure) == pytest.approx(
        chosen["left_out_mp_percent"], abs=8
    )


@pytest.mark.long
def test_the_candidate_with_the_lowest_loss_is_chosen_and_all_are_in_the_table(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    labels = of_slices(other_structure, [6, 15])
    segmenter, context = tuned(fitted, other_images, labels)
    found = rows(context, "candidates")
    steps = {name: [r["steps"] for r in found if r["candidate"] == name] for name in
             ("start", "cautious", "full", "forest", "alone")}  # fmt: skip
    assert steps == {
        "start": [0], "cautious": [3, 6, 12], "full": [2, 4, 8], "forest": [0], "alone": [2, 4, 8],
    }  # fmt: skip
    assert [row["chosen"] for row in found].count(True) == 1
    best = min(found, key=lambda row: row["left_out_loss"])
    assert best["chosen"]
    assert all(row["labelled_voxels"] == 2 * 64 * 64 for row in found)
    assert segmenter.predict(other_images).shape == other_images.shape


def test_scores_of_the_start_are_those_of_its_labels(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    slices = [6, 15]
    segmenter, context = tuned(
        fitted, other_images, of_slices(other_structure, slices), candidates=("start",)
    )
    found = fitted.predict(other_images)
    mp = [100 * np.mean(found.data[z] != other_structure.data[z]) for z in slices]
    left_out = rows(context, "left_out")
    assert [row["left_out_mp_percent"] for row in left_out] == pytest.approx(mp, abs=1.0)
    assert [row["axis"] for row in left_out] == ["z", "z"]
    assert [row["start"] <= z < row["stop"] for row, z in zip(left_out, slices, strict=True)] == [
        True, True,
    ]  # fmt: skip
    np.testing.assert_array_equal(segmenter.predict(other_images).data, found.data)


def test_cautious_tuning_changes_normalization_and_the_last_layer_only(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    labels = of_slices(other_structure, [6, 15])
    segmenter, _ = tuned(fitted, inverted(other_images), labels, candidates=("cautious",))
    names = changed(segmenter, fitted)
    assert names
    assert all("norm" in name or name.startswith("output_block") for name in names)
    assert not any(name.endswith(STATISTICS) for name in names)


@pytest.mark.long
def test_the_pull_keeps_all_weights_near_the_start(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    labels, images = of_slices(other_structure, [6, 15]), inverted(other_images)

    def distance(pull: float) -> float:
        segmenter, _ = tuned(
            fitted, images, labels, candidates=("full",), pull_to_start=pull, steps=40
        )
        assert not any(name.endswith(STATISTICS) for name in changed(segmenter, fitted))
        pairs = ((fitted.model.weights[n], a) for n, a in segmenter.model.weights.items())
        return sum(float(((a - b) ** 2).sum()) for a, b in pairs)

    assert distance(100.0) < 0.5 * distance(0.0)


def test_few_voxels_allow_cautious_candidates_only(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    data = np.full(other_structure.shape, UNLABELLED, np.uint8)
    rng = np.random.default_rng(0)
    for z in (5, 12):
        for y in rng.integers(0, 64, 10):
            x = int(rng.integers(0, 54))
            data[z, y, x : x + 10] = other_structure.data[z, y, x : x + 10]
    labels = other_structure.with_data(data)
    _, context = tuned(fitted, other_images, labels)
    found = rows(context, "candidates")
    assert {row["candidate"] for row in found} == {"start", "cautious", "forest"}
    assert {row["labelled_voxels"] for row in found} == {int((data != UNLABELLED).sum())}
    with pytest.raises(FibError, match="add the candidates start, cautious or forest"):
        tuned(fitted, other_images, labels, candidates=("full", "alone"))


def test_labels_of_one_slice_are_left_out_in_strips(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    labels = of_slices(other_structure, [9])
    _, context = tuned(fitted, other_images, labels, candidates=("start",), folds=4)
    left_out = rows(context, "left_out")
    assert len({row["axis"] for row in left_out} & {"y", "x"}) == 1
    assert [row["start"] for row in left_out] == [0, *(row["stop"] for row in left_out[:-1])]
    assert [row["labelled_voxels"] for row in left_out] == pytest.approx([1024] * 4, abs=64)


def test_an_interrupted_comparison_goes_on_to_the_same_bytes(
    fitted: UNet, other_images: Images, other_structure: Labels, tmp_path: Path
) -> None:
    labels = of_slices(other_structure, [6, 15])
    segmenter = Tuned(**QUICK, candidates=("start", "cautious", "full"))
    whole, undisturbed = tuned(
        fitted, other_images, labels, candidates=("start", "cautious", "full")
    )
    steps: list[float] = []

    def stop(what: str, done: float, total: float | None) -> None:
        steps.append(done)
        if done == 30:
            raise KeyboardInterrupt

    context = Context(5, scratch=tmp_path, report=stop)
    with pytest.raises(KeyboardInterrupt):
        segmenter.model_copy().fit(other_images, labels, fitted, context)
    resumed = Context(5, scratch=tmp_path, report=lambda what, done, total: steps.append(done))
    again = segmenter.model_copy().fit(other_images, labels, fitted, resumed)
    for name, array in whole.model.weights.items():
        assert array.tobytes() == again.model.weights[name].tobytes()
    for name in ("candidates", "left_out"):
        assert resumed.kept[name].to_csv() == undisturbed.kept[name].to_csv()
    # The start and the cautious tuning were not compared again.
    assert steps[steps.index(30) + 1 :][:5] == [1, 2, 14, 26, 27]


def test_the_model_of_a_forest_or_a_network_is_read_back_and_keeps_probabilities(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    labels = of_slices(other_structure, [6, 15])
    for name in ("forest", "alone"):
        segmenter, _ = tuned(fitted, other_images, labels, candidates=(name,))
        model = Model(
            segmenter.model.plugin,
            segmenter.model.params,
            segmenter.model.weights,
            segmenter.model.info,
        )
        read = Tuned.from_model(model, save_probability=True)
        context = Context(1)
        found = read.predict(other_images, context)
        np.testing.assert_array_equal(found.data, segmenter.predict(other_images).data)
        probability = context.kept["probability"].data
        np.testing.assert_array_equal(probability.argmax(axis=0), found.data)


def test_statistics_of_the_stack_become_those_of_the_network(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    start = UNet.from_model(fitted.model, batch_norm="stack")
    labels = of_slices(other_structure, [6, 15])
    segmenter, _ = tuned(start, other_images, labels, candidates=("start",))
    found = segmenter.predict(other_images)
    np.testing.assert_array_equal(found.data, start.predict(other_images).data)


def test_what_does_not_fit_is_refused_before_a_run(
    fitted: UNet, small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    segmenter = Tuned()

    def forecast(start: Any, stack: Images = images, labels: Labels = structure) -> Any:
        given = {"images": stack.spec, "labels": labels.spec, "start": start}
        return segmenter.forecast("fit", given)

    assert forecast(fitted).model.info["segmenter"] == "segmenter/unet"
    other_voltage = Images(images.data, images.voxel_size_nm, kv=(5.0,))
    carbon = {0: structure.phases[0], 1: Material.of_element(elements()["C"])}
    other_phases = Labels(structure.data, structure.voxel_size_nm, carbon)
    with pytest.raises(FibError, match="start is segmenter/threshold"):
        forecast(Threshold())
    assert forecast(small()).model is None  # a network that is known only when it runs
    with pytest.raises(FibError, match="not fitted"):
        segmenter.fit(images, structure, small())
    with pytest.raises(FibError, match="5 kV"):
        forecast(fitted, other_voltage)
    with pytest.raises(FibError, match="the same materials under the same numbers"):
        forecast(fitted, labels=other_phases)
    with pytest.raises(FibError, match="images have shape"):
        forecast(fitted, labels=structure.with_data(structure.data[:5]))
    with pytest.raises(FibError, match="too small for a patch"):
        forecast(fitted, images.with_data(images.data[:, :, :16]),
                 structure.with_data(structure.data[:, :16]))  # fmt: skip


def test_labels_in_one_place_are_refused(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    data = np.full(other_structure.shape, UNLABELLED, np.uint8)
    data[4, 10, :20], data[4, 10, 20] = 0, 1
    with pytest.raises(FibError, match="label each phase in at least two places"):
        tuned(fitted, other_images, other_structure.with_data(data))


def test_it_keeps_the_rules_of_plugins() -> None:
    assert check_plugin(Tuned) == []
