import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fib_plugins.segmenters.threshold import Threshold
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.training.runtime import multiplies_bfloat16
from fibcore import Context, FibError, Images, Labels, Material, Model
from fibcore.formats import read_model, write_model

VOXEL_NM = (5.0, 5.0, 5.0)

TINY: dict[str, Any] = {"base_channels": 4, "patches_per_epoch": 16, "batch_size": 8}
"""What makes an epoch take a fraction of a second, for tests that need no good network."""


def share_wrong(prediction: Labels, truth: Labels) -> float:
    return float(np.mean(prediction.data != truth.data))


def same_weights(one: UNet, other: UNet) -> bool:
    a, b = one.model.weights, other.model.weights
    return a.keys() == b.keys() and all(a[n].tobytes() == b[n].tobytes() for n in a)


def test_2_5d_beats_otsu_by_far_on_another_structure(
    fitted: UNet, other_images: Images, other_structure: Labels
) -> None:
    otsu = share_wrong(Threshold().predict(other_images), other_structure)
    assert share_wrong(fitted.predict(other_images), other_structure) < 0.5 * otsu


@pytest.mark.parametrize(
    "params",
    [
        {"dimensions": "2d"},
        {"dimensions": "3d", "patch_depth": 8, "batch_size": 4, "patches_per_epoch": 40},
        {"loss": "dice_ce", "norm": "instance", "sampling": "random", "normalization": "slice"},
    ],
    ids=["2d", "3d", "other settings"],
)
def test_whatever_the_settings_it_learns_to_see_through_noise(
    small: Callable[..., UNet],
    params: dict[str, Any],
    structure: Labels,
    other_structure: Labels,
) -> None:
    rng = np.random.default_rng(8)

    def noisy(labels: Labels) -> Images:
        grey = labels.data + rng.normal(0.0, 0.8, labels.shape)
        return Images(grey.astype(np.float32), labels.voxel_size_nm, kv=(2.0,))

    unet = small(**params, validation_fraction=0.34)
    unet.fit(noisy(structure), structure, context=Context(1))

    images = noisy(other_structure)
    otsu = share_wrong(Threshold().predict(images), other_structure)
    assert share_wrong(unet.predict(images), other_structure) < 0.5 * otsu


def test_history_tells_each_epoch(fitted: UNet, history: dict[str, np.ndarray]) -> None:
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert np.all((history["validation_dice"] > 0.5) & (history["validation_dice"] <= 1.0))
    assert history["learning_rate"].tolist() == [1e-2] * 3
    assert fitted.model.info["best_epoch"] == 1 + int(np.argmin(history["validation_loss"]))


def test_voltages_are_channels_and_phases_are_classes(small: Callable[..., UNet]) -> None:
    rng = np.random.default_rng(0)
    data = np.kron(rng.choice([0, 1, 3], (6, 8, 8)), np.ones((4, 8, 8))).astype(np.uint8)
    phases = {n: Material.of_element(e) for n, e in zip((0, 1, 3), _elements(), strict=True)}
    labels = Labels(data, VOXEL_NM, phases)
    # Phases 0 and 1 look alike at 1 kV, phases 1 and 3 at 2 kV.
    grey = np.stack([data == 3, data > 0]).astype(np.float32)
    images = Images(grey + rng.normal(0, 0.1, grey.shape).astype(np.float32), VOXEL_NM, kv=(1, 2))

    unet = small(augment_offset=0.0).fit(images, labels, context=Context(1))
    found = unet.predict(images)

    assert share_wrong(found, labels) < 0.02
    assert {n: m.name for n, m in found.phases.items()} == {0: "C", 1: "Si", 3: "Au"}
    swapped = Images(images.data[::-1].copy(), VOXEL_NM, kv=(2, 1))
    assert np.array_equal(unet.predict(swapped).data, found.data)


def _elements() -> list[Any]:
    from fibcore.elements import elements

    return [elements()[symbol] for symbol in ("C", "Si", "Au")]


@pytest.mark.parametrize("dimensions", ["2d", "2.5d", "3d"])
def test_training_and_validation_share_no_voxel(
    small: Callable[..., UNet], images: Images, structure: Labels, dimensions: str
) -> None:
    params = {"dimensions": dimensions, "patch_depth": 8, "epochs": 1, "batch_size": 4}
    unet = small(**TINY | params, normalization="slice")
    split = 24 - unet.validation_slices(24)
    changed = images.data.copy()
    changed[:, split:] = changed[:, split:, ::-1, ::-1]

    plain, other = Context(1), Context(1)
    unet.model_copy().fit(images, structure, context=plain)
    unet.model_copy().fit(images.with_data(changed), structure, context=other)

    one, two = plain.kept["history"], other.kept["history"]
    assert one["train_loss"].tolist() == two["train_loss"].tolist()
    assert one["validation_loss"].tolist() != two["validation_loss"].tolist()


class Interruption(Exception):
    pass


@pytest.mark.parametrize("error", [Interruption, KeyboardInterrupt])
@pytest.mark.parametrize("when", [1, 6])
def test_interrupted_training_goes_on_to_the_same_bytes(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    tmp_path: Path,
    error: type[BaseException],
    when: int,
) -> None:
    unet = small(**TINY, epochs=4, learning_rate_patience=0)
    steps: list[float] = []

    def stop(what: str, done: float, total: float | None) -> None:
        steps.append(done)
        if done == when:
            raise error

    undisturbed = Context(3)
    whole = unet.model_copy().fit(images, structure, context=undisturbed)
    with pytest.raises(error):
        unet.model_copy().fit(images, structure, context=Context(3, scratch=tmp_path, report=stop))
    assert steps[-1] == when  # nothing more was done
    resumed = Context(3, scratch=tmp_path, report=lambda what, done, total: steps.append(done))
    again = unet.model_copy().fit(images, structure, context=resumed)

    assert same_weights(whole, again)
    assert again.model.info == whole.model.info
    assert resumed.kept["history"].to_csv() == undisturbed.kept["history"].to_csv()
    # An epoch has two batches to train on and two to validate on.
    epochs_done = (when - 1) // 4
    assert steps[when:] == list(range(4 * epochs_done + 1, 17))


def test_finished_training_is_not_repeated(
    small: Callable[..., UNet], images: Images, structure: Labels, tmp_path: Path
) -> None:
    unet = small(**TINY, epochs=2)
    first = unet.model_copy().fit(images, structure, context=Context(3, scratch=tmp_path))
    steps: list[float] = []
    context = Context(3, scratch=tmp_path, report=lambda what, done, total: steps.append(done))
    second = unet.model_copy().fit(images, structure, context=context)
    assert same_weights(first, second)
    assert steps == []


def test_a_checkpoint_of_another_training_is_not_continued(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    small(**TINY, epochs=1).fit(images, structure, context=Context(3, scratch=tmp_path))
    with caplog.at_level(logging.WARNING):
        other = small(**TINY, epochs=2).fit(images, structure, context=Context(3, scratch=tmp_path))
    assert "training starts again" in caplog.text
    assert same_weights(other, small(**TINY, epochs=2).fit(images, structure, context=Context(3)))


def test_learning_rate_falls_and_training_stops_when_nothing_gets_better(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    context = Context(1)
    patience = {"learning_rate_patience": 1, "early_stopping_patience": 3, "epochs": 60}
    unet = small(**TINY | patience, learning_rate=0.1, learning_rate_factor=0.1)
    unet.fit(images, structure, context=context)
    history = context.kept["history"]

    rate, best, bad, since, expected = 0.1, np.inf, 0, 0, []
    for loss in history["validation_loss"]:
        expected.append(rate)
        bad, since, best = (0, 0, loss) if loss < 0.9999 * best else (bad + 1, since + 1, best)
        if bad > 1:
            rate, bad = 0.1 * rate, 0
    assert history["learning_rate"].tolist() == pytest.approx(expected)
    assert since == 3
    assert len(history) < 60
    assert expected[-1] < expected[0]


def test_the_best_weights_are_kept_not_the_last(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    unet = small(**TINY, epochs=6, learning_rate=0.1)
    context = Context(1)
    unet.fit(images, structure, context=context)
    best = unet.model.info["best_epoch"]
    assert best < 6, "this test needs a training whose last epoch is not its best"
    shorter = small(**TINY, epochs=best, learning_rate=0.1).fit(
        images, structure, context=Context(1)
    )
    assert same_weights(unet, shorter)


def test_bytes_do_not_depend_on_torch_threads_and_torch_is_left_as_it_was(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    unet = small(**TINY, epochs=1)
    before = torch.get_num_threads()
    state = torch.random.get_rng_state()
    try:
        torch.set_num_threads(1)
        one = unet.model_copy().fit(images, structure, context=Context(3))
        torch.set_num_threads(3)
        three = unet.model_copy().fit(images, structure, context=Context(3))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert same_weights(one, three)
    assert torch.equal(torch.random.get_rng_state(), state)


def digest(labels: Labels, images: Images, small: Callable[..., UNet]) -> str:
    unet = small(epochs=1, patches_per_epoch=48, cpu_threads=2, save_probability=True)
    context = Context(3)
    unet.fit(images, labels, context=Context(3)).predict(images, context)
    found = hashlib.sha256(context.kept["probability"].data.tobytes())
    for _, array in sorted(unet.model.weights.items()):
        found.update(array.tobytes())
    return found.hexdigest()


SCRIPT = """
import runpy, sys
conftest, this = (runpy.run_path(path) for path in sys.argv[1:])
labels = conftest["blobs"](1)
images = conftest["shine_through"](labels, 1)
small = lambda **changes: conftest["UNet"](**conftest["SMALL"] | changes)
print(this["digest"](labels, images, small))
"""


def test_bytes_do_not_depend_on_omp_num_threads(
    structure: Labels, images: Images, small: Callable[..., UNet]
) -> None:
    other = "1" if torch.get_num_threads() > 1 else "2"
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(Path(__file__).parents[1] / "conftest.py"), __file__],
        env={**os.environ, "OMP_NUM_THREADS": other},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.stderr == ""  # no chatter of the libraries either
    assert result.stdout.strip() == digest(structure, images, small)


def test_another_seed_gives_another_network(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    one, two = (small(**TINY, epochs=1).fit(images, structure, context=Context(s)) for s in (1, 2))
    assert not same_weights(one, two)


def test_a_model_from_disk_predicts_the_same(
    fitted: UNet, other_images: Images, tmp_path: Path
) -> None:
    write_model(fitted.model, tmp_path / "model.safetensors")
    read = UNet.from_model(read_model(tmp_path / "model.safetensors"))
    assert np.array_equal(read.predict(other_images).data, fitted.predict(other_images).data)


def test_weights_of_another_network_are_refused(fitted: UNet, other_images: Images) -> None:
    model = fitted.model
    wider = Model(model.plugin, {**model.params, "base_channels": 6}, model.weights, model.info)
    with pytest.raises(FibError, match="do not fit the network"):
        UNet.from_model(wider).predict(other_images)


def test_nothing_is_left_behind(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    unet = small(**TINY, epochs=1, precision="bf16")
    unet.fit(images, structure, context=Context(3, scratch=tmp_path / "scratch"))
    # Inference refuses bfloat16 where the CPU would emulate it.
    precision = "bf16" if multiplies_bfloat16() else "32"
    UNet.from_model(unet.model, precision=precision).predict(images)
    assert os.listdir(tmp_path) == ["scratch"]
    assert os.listdir(tmp_path / "scratch") == ["checkpoint.pt"]
    assert capfd.readouterr() == ("", "")


def test_info_is_json(fitted: UNet) -> None:
    info = json.loads(json.dumps(fitted.model.info, allow_nan=False))
    assert info["kv"] == [2.0]
    assert info["voxel_size_nm"] == [5.0, 5.0, 5.0]
    assert [info["phases"][n]["name"] for n in ("0", "1")] == ["epoxy", "Au"]


def test_labels_that_cannot_be_learned_are_refused(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    with pytest.raises(FibError, match="phase 1 only"):
        small().fit(images, structure.with_data(np.ones_like(structure.data)))
    with pytest.raises(FibError, match=r"phases \[0, 2\], but materials are known for \[0, 1\]"):
        small().fit(images, structure.with_data(2 * structure.data))


def test_constant_images_are_refused(small: Callable[..., UNet], structure: Labels) -> None:
    constant = Images(np.full(structure.shape, 7, np.uint8), VOXEL_NM, kv=(2.0,))
    with pytest.raises(FibError, match="same grey value"):
        small().fit(constant, structure)


def test_half_precision_needs_a_gpu(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    with pytest.raises(FibError, match="use '32' or 'bf16'"):
        small(precision="16").fit(images, structure)


def test_stacks_in_files_give_the_same_network(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unet = small(**TINY, epochs=1)
    held = unet.fit(images, structure, context=Context(4, threads=1))
    monkeypatch.setattr("fibcore.context.MEMORY_MAP_ABOVE_BYTES", 0)
    context = Context(4, threads=1)
    mapped = small(**TINY, epochs=1).fit(images, structure, context=context)
    assert (context.scratch / "training-volume.npy").exists()
    assert same_weights(held, mapped)
