from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.testing import check_plugin
from fibcore import FibError, Images, Labels, VolumeSpec

VOXEL_NM = (5.0, 5.0, 5.0)

SMALL_VOLUME = (24, 64, 64)


def specs(
    images: tuple[int, int, int], labels: tuple[int, int, int] | None = None
) -> dict[str, VolumeSpec]:
    return {
        "images": VolumeSpec(Images, images, VOXEL_NM, (2.0,), "float32"),
        "labels": VolumeSpec(Labels, labels or images, VOXEL_NM),
    }


def test_keeps_the_contract() -> None:
    assert check_plugin(UNet) == []


def test_defaults_are_table_1_of_the_paper() -> None:
    unet = UNet()
    assert (unet.patch, unet.stride, unet.batch_size, unet.epochs) == (64, 0.5, 64, 100)
    assert (unet.loss, unet.learning_rate, unet.early_stopping_patience) == ("dice", 1e-4, 25)
    assert (unet.learning_rate_patience, unet.learning_rate_factor) == (10, 0.1)


def test_blocks_have_defaults_of_their_own_that_the_user_overrides() -> None:
    assert (UNet(dimensions="3d").batch_size, UNet(dimensions="3d").window) == (4, 128)
    assert UNet(dimensions="3d", batch_size=9).batch_size == 9


@pytest.mark.parametrize(
    ("params", "advice"),
    [
        ({"patch": 60}, "patch 60 cannot be halved 3 times.*use 56 or 64"),
        ({"window": 100, "depth": 4}, "window 100 .*use 96 or 112"),
        ({"dimensions": "3d", "patch_depth": 12}, "patch_depth 12 .*use 8 or 16"),
    ],
)
def test_sizes_that_cannot_be_halved_are_refused(params: dict[str, object], advice: str) -> None:
    with pytest.raises(ValidationError, match=advice):
        UNet.model_validate(params)


SINGLE = [
    ({"patch": 8}, "patch 8 halved 3 times .* a single pixel.* use at least 16"),
    ({"patch": 64, "depth": 6}, "patch 64 .* use at least 128"),
    ({"dimensions": "3d", "patch": 8, "patch_depth": 8}, "patch 8 .* a single pixel"),
    ({"window": 8, "norm": "instance"}, "window 8 .* norm 'instance'"),
    ({"depth": 1}, "greater than or equal to 2"),
]


@pytest.mark.parametrize(("params", "advice"), SINGLE)
def test_what_the_network_cannot_be_built_or_trained_with_is_refused(
    params: dict[str, object], advice: str
) -> None:
    with pytest.raises(ValidationError, match=advice):
        UNet.model_validate(params)


@pytest.mark.parametrize(
    "params",
    [
        {"depth": 2, "patch": 8, "batch_size": 1},
        {"depth": 2, "patch": 8, "batch_size": 1, "norm": "instance", "window": 8},
        {"depth": 5, "patch": 64, "batch_size": 1, "norm": "instance"},
        {"depth": 3, "patch": 16, "batch_size": 2, "window": 8},
        {"dimensions": "3d", "depth": 2, "patch": 8, "patch_depth": 4, "batch_size": 1},
        {"dimensions": "2.5d", "slices_above": 0, "slices_below": 0, "depth": 2},
    ],
    ids=str,
)
def test_networks_at_the_limits_of_the_parameters_train_and_segment(
    params: dict[str, object],
) -> None:
    data = np.zeros((12, 64, 64), np.uint8)
    data[:, :, 32:] = 1
    labels = Labels(data, VOXEL_NM)
    noise = np.random.default_rng(0).normal(0, 0.1, data.shape)
    images = Images((data + noise).astype(np.float32), VOXEL_NM, (2.0,))
    unet = UNet(base_channels=2, epochs=1, patches_per_epoch=3, cpu_threads=1, **params)
    unet.forecast("fit", {"images": images.spec, "labels": labels.spec})
    assert unet.fit(images, labels).predict(images).shape == data.shape


def test_slices_too_small_for_instance_norm_are_refused() -> None:
    with pytest.raises(FibError, match=r"6 x 8 pixels .* norm 'batch'"):
        UNet(norm="instance").forecast("predict", specs((9, 6, 8)))


@pytest.mark.parametrize(
    ("params", "shape", "advice"),
    [
        ({"patch": 128}, SMALL_VOLUME, "64 x 64 pixels .* too small for a patch of 128"),
        ({}, (3, 64, 64), "validation takes 3; .* at least 4 slices.* fewer slices_above"),
        ({"dimensions": "3d"}, (40, 64, 64), "at least 64 slices.* a smaller patch_depth"),
    ],
)
def test_structures_too_small_for_the_patch_are_refused_before_and_while_running(
    params: dict[str, object], shape: tuple[int, int, int], advice: str
) -> None:
    unet = UNet.model_validate(params)
    with pytest.raises(FibError, match=advice):
        unet.forecast("fit", specs(shape))
    images = Images(np.zeros(shape, np.uint8), VOXEL_NM, kv=(2.0,))
    with pytest.raises(FibError, match=advice):
        unet.fit(images, Labels(np.zeros(shape, np.uint8), VOXEL_NM))


def test_images_and_labels_of_different_shapes_are_refused_before_and_while_running() -> None:
    unet = UNet()
    with pytest.raises(FibError, match="must show the same volume"):
        unet.forecast("fit", specs(SMALL_VOLUME, (24, 64, 65)))
    images = Images(np.zeros(SMALL_VOLUME, np.uint8), VOXEL_NM, kv=(2.0,))
    with pytest.raises(FibError, match="must show the same volume"):
        unet.fit(images, Labels(np.zeros((24, 64, 65), np.uint8), VOXEL_NM))


def test_forecast_tells_labels_and_probability() -> None:
    forecast = UNet(save_probability=True).forecast("predict", specs(SMALL_VOLUME))
    assert forecast.output is not None
    assert (forecast.output.type, forecast.output.shape) == (Labels, SMALL_VOLUME)
    assert forecast.kept["probability"].nbytes == 2 * 4 * np.prod(SMALL_VOLUME)
    assert UNet().forecast("predict", specs(SMALL_VOLUME)).kept == {}


def test_a_fitted_network_refuses_other_channel_counts_before_it_runs(
    fitted: UNet, images: Images
) -> None:
    two = VolumeSpec(Images, SMALL_VOLUME, VOXEL_NM, (1.0, 2.0))
    with pytest.raises(FibError, match=r"2 channels .* trained on 1"):
        fitted.forecast("predict", {"images": two})


def test_training_forecast_grows_with_batch_and_width(small: Callable[..., UNet]) -> None:
    def memory(**changes: object) -> int:
        return small(**changes).forecast("fit", specs(SMALL_VOLUME)).memory_bytes

    assert memory() < memory(batch_size=32) < memory(batch_size=32, base_channels=16)
