"""Labels of a part of a stack: 255 is unknown."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from monai.losses import DiceLoss
from torch.nn.functional import cross_entropy

from fib_plugins.segmenters.unet.labelled_loss import LabelledLoss
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.unlabelled import UNLABELLED
from fibcore import Adapter, Context, FibError, Images, Labels

TINY: dict[str, Any] = {"base_channels": 4, "patches_per_epoch": 16, "batch_size": 8, "epochs": 2}


def of_slices(labels: Labels, slices: list[int]) -> Labels:
    data = np.full(labels.shape, UNLABELLED, np.uint8)
    data[slices] = labels.data[slices]
    return labels.with_data(data)


def trained(unet: UNet, images: Images, labels: Labels, **given: Any) -> tuple[UNet, Any]:
    context = Context(3)
    unet = unet.model_copy().fit(images, labels, context=context, **given)
    return unet, context.kept["history"].columns


@pytest.mark.parametrize("dimensions", [2, 3])
def test_loss_with_all_labels_is_that_of_monai(dimensions: int) -> None:
    rng = torch.Generator().manual_seed(0)
    edges = (6, 5, 4)[:dimensions]
    scores = torch.randn((3, 4, *edges), generator=rng)
    target = torch.randint(0, 4, (3, 1, *edges), generator=rng)
    dice = DiceLoss(softmax=True, to_onehot_y=True, batch=True)(scores, target)
    entropy = cross_entropy(scores, target[:, 0])
    assert LabelledLoss(1, 0)(scores, target) == pytest.approx(float(dice), abs=1e-6)
    assert LabelledLoss(0, 1)(scores, target) == pytest.approx(float(entropy), abs=1e-6)
    assert LabelledLoss(2, 3)(scores, target) == pytest.approx(
        2 * float(dice) + 3 * float(entropy), abs=1e-5
    )


def test_loss_does_not_depend_on_scores_without_label() -> None:
    rng = torch.Generator().manual_seed(0)
    scores = torch.randn((2, 3, 6, 6), generator=rng)
    target = torch.randint(0, 3, (2, 1, 6, 6), generator=rng)
    whole = LabelledLoss(1, 1)(scores[..., :4], target[..., :4])
    target[..., 4:] = UNLABELLED
    scores.requires_grad_()
    loss = LabelledLoss(1, 1)(scores, target)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float(whole), abs=1e-6)
    assert scores.grad is not None
    assert not scores.grad[..., 4:].any()
    assert scores.grad[..., :4].any()


def test_a_batch_without_any_label_has_no_loss_and_no_gradient() -> None:
    scores = torch.randn((2, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    scores.requires_grad_()
    loss = LabelledLoss(0, 1)(scores, torch.full((2, 1, 4, 4), UNLABELLED))
    loss.backward()
    assert float(loss.detach()) == 0
    assert scores.grad is not None
    assert not scores.grad.any()


@pytest.mark.parametrize(
    "params",
    [{"dimensions": "2.5d"}, {"dimensions": "3d", "patch_depth": 8}, {"sampling": "random"}],
    ids=str,
)
def test_nothing_depends_on_images_that_no_labelled_voxel_sees(
    small: Callable[..., UNet], images: Images, structure: Labels, params: dict[str, Any]
) -> None:
    unet = small(**TINY | params, normalization="training")
    labels = of_slices(structure, [1, 2, 3])
    changed = images.data.copy()
    changed[:, 12:] = changed[:, 12:, ::-1, ::-1]  # the same mean and deviation
    _, history = trained(unet, images, labels)
    _, other = trained(unet, images.with_data(changed), labels)
    assert history["validation_dice"].tolist() == other["validation_dice"].tolist()
    assert history["train_loss"].tolist() == other["train_loss"].tolist()
    assert np.isfinite(history["train_loss"]).all()


def test_the_last_labelled_slices_validate_and_others_are_learned_from(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    unet = small(**TINY, dimensions="2d", normalization="training")
    labels = of_slices(structure, [3, 10, 18])
    validated = structure.data.copy()
    validated[18] = 1 - validated[18]
    other = of_slices(labels.with_data(validated), [3, 10, 18])
    _, one = trained(unet, images, labels)
    _, two = trained(unet, images, other)
    assert one["train_loss"].tolist() == two["train_loss"].tolist()
    assert one["validation_loss"].tolist() != two["validation_loss"].tolist()


def test_shares_of_phases_are_those_of_labelled_voxels(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    slices = [2, 9, 15]
    unet, _ = trained(small(**TINY), images, of_slices(structure, slices))
    solid = float(structure.data[slices].mean())
    assert unet.model.info["shares"] == pytest.approx([1 - solid, solid])
    assert list(unet.model.info["phases"]) == ["0", "1"]


def test_some_slices_teach_a_network(
    small: Callable[..., UNet],
    images: Images,
    structure: Labels,
    other_images: Images,
    other_structure: Labels,
) -> None:
    labels = of_slices(structure, [2, 6, 10, 14, 18])
    unet, _ = trained(small(), images, labels)
    wrong = float(np.mean(unet.predict(other_images).data != other_structure.data))
    assert wrong < 0.15  # Otsu: about 0.25


def test_what_cannot_be_learned_from_is_refused(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    with pytest.raises(FibError, match="label a second slice, or use segmenter/tuned"):
        trained(small(**TINY), images, of_slices(structure, [4]))
    with pytest.raises(FibError, match="no label, 255 everywhere"):
        trained(small(**TINY), images, of_slices(structure, []))
    one = structure.with_data(np.where(structure.data == 0, np.uint8(255), structure.data))
    with pytest.raises(FibError, match="phase 1 only"):
        trained(small(**TINY), images, one)


def test_an_instrument_needs_all_labels(
    small: Callable[..., UNet], images: Images, structure: Labels
) -> None:
    class Same(Adapter):
        name = "same"

        def transform(self, images: Images, *, context: Context | None = None) -> Images:
            return images

    with pytest.raises(FibError, match="leave the instrument out"):
        trained(small(**TINY), images, of_slices(structure, [4, 8]), instrument=Same())


def test_partial_training_goes_on_to_the_same_bytes(
    small: Callable[..., UNet], images: Images, structure: Labels, tmp_path: Path
) -> None:
    unet, labels = small(**TINY), of_slices(structure, [2, 9, 15])

    def stop(what: str, done: float, total: float | None) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unet.model_copy().fit(images, labels, Context(3, scratch=tmp_path, report=stop))
    again = unet.model_copy().fit(images, labels, Context(3, scratch=tmp_path))
    whole, _ = trained(unet, images, labels)
    for name, array in whole.model.weights.items():
        assert array.tobytes() == again.model.weights[name].tobytes()
