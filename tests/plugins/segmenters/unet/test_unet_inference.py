import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fib_plugins.segmenters.unet.parameters import UNetParameters
from fib_plugins.segmenters.unet.plugin import UNet
from fibcore import Context, FibError, Images, Labels

VOXEL_NM = (5.0, 5.0, 5.0)

Imaged = Callable[[int, tuple[int, int, int]], Images]


@pytest.fixture(scope="module")
def wide(imaged: Imaged) -> Images:
    """Images of a wide structure, whose edges are no multiple of anything."""
    return imaged(5, (10, 150, 170))


@pytest.fixture(scope="module")
def block(small: Callable[..., UNet], images: Images, structure: Labels) -> UNet:
    """A small 3-D U-Net."""
    return small(
        dimensions="3d", patch_depth=8, batch_size=4, patches_per_epoch=40, epochs=1, window=32
    ).fit(images, structure, context=Context(1))


@pytest.fixture(params=["tiles", "windows"])
def either(request: pytest.FixtureRequest, fitted: UNet, monkeypatch: pytest.MonkeyPatch) -> UNet:
    """A network whose slices are cut into exact tiles, or into windows that are blended."""
    if request.param == "windows":
        monkeypatch.setattr(UNetParameters, "exact", False)
    return fitted


def probability(unet: UNet, images: Images, **changes: object) -> np.ndarray:
    context = Context(1)
    UNet.from_model(unet.model, save_probability=True, **changes).predict(images, context)
    return context.kept["probability"].data


def test_probabilities_are_such_and_the_most_probable_phase_wins(
    fitted: UNet, other_images: Images
) -> None:
    context = Context(1)
    labels = UNet.from_model(fitted.model, save_probability=True).predict(other_images, context)
    kept = context.kept["probability"]

    assert kept.data.dtype == np.float32
    assert kept.data.min() >= 0.0
    assert np.allclose(kept.data.sum(axis=0), 1.0, atol=1e-5)
    assert np.array_equal(kept.data.argmax(axis=0), labels.data)
    assert kept.names == ("p(epoxy)", "p(Au)")
    assert kept.kv == (None, None)
    assert (kept.quantity, kept.voxel_size_nm) == ("probability", VOXEL_NM)
    assert labels.voxel_size_nm == other_images.voxel_size_nm


def test_probability_is_kept_only_where_asked_for(fitted: UNet, other_images: Images) -> None:
    context = Context(1)
    fitted.predict(other_images, context)
    assert context.kept == {}


def test_windows_leave_no_seams(either: UNet, wide: Images) -> None:
    whole = probability(either, wide, window=512)
    tiled = probability(either, wide, window=64)

    apart = np.abs(tiled - whole)[0]
    assert apart.mean() < 2e-3
    assert np.mean((tiled[0] > 0.5) != (whole[0] > 0.5)) < 2e-3
    # A seam is a jump between neighbouring rows (columns) that the whole slice does not have.
    for axis in (1, 2):
        jumps = np.abs(np.diff(tiled[0] - whole[0], axis=axis)).mean(axis=(0, 3 - axis))
        assert jumps.max() < 0.02


def test_inside_a_single_window_nothing_but_the_network_decides(either: UNet, wide: Images) -> None:
    # A slice that fits the window is taken whole: the window's size cannot matter.
    assert np.array_equal(
        probability(either, wide, window=256), probability(either, wide, window=512)
    )


def test_slab_and_batch_size_do_not_matter(either: UNet, other_images: Images) -> None:
    one = probability(either, other_images, batch_size=1)
    many = probability(either, other_images, batch_size=64)
    assert np.allclose(one, many, atol=1e-5)


def test_workers_do_not_change_a_byte(either: UNet, other_images: Images) -> None:
    def labels(threads: int) -> tuple[bytes, bytes]:
        context = Context(1, threads=threads)
        unet = UNet.from_model(either.model, save_probability=True, batch_size=2)
        result = unet.predict(other_images, context)
        return result.data.tobytes(), context.kept["probability"].data.tobytes()

    assert labels(1) == labels(4)


def test_progress_counts_all_slices_in_order(fitted: UNet, other_images: Images) -> None:
    seen: list[float] = []
    context = Context(1, threads=3, report=lambda what, done, total: seen.append(done))
    UNet.from_model(fitted.model, batch_size=4).predict(other_images, context)
    assert seen == sorted(seen)
    assert seen[-1] == 24


def test_slices_depend_on_their_neighbours_and_no_others(
    fitted: UNet, other_images: Images
) -> None:
    changed = other_images.data.copy()
    changed[:, 12] = changed[:, 12, ::-1]
    # One grey scale for both, so that only what the network looks at can differ.
    plain = probability(fitted, other_images, normalization="training")
    other = probability(fitted, other_images.with_data(changed), normalization="training")
    differ = [z for z in range(24) if not np.array_equal(plain[:, z], other[:, z])]
    assert differ == list(range(12 - 3, 12 + 2 + 1))


def test_3d_windows_leave_no_seams_along_z(block: UNet, imaged: Imaged) -> None:
    images = imaged(6, (30, 48, 40))
    sparse = probability(block, images, overlap=0.5)
    dense = probability(block, images, overlap=0.75)
    assert np.allclose(sparse.sum(axis=0), 1.0, atol=1e-5)
    assert np.mean((sparse[0] > 0.5) != (dense[0] > 0.5)) < 0.02
    jumps = np.abs(np.diff(sparse[0] - dense[0], axis=0)).mean(axis=(1, 2))
    assert jumps.max() < 0.05


def test_3d_takes_stacks_thinner_than_a_window(block: UNet, imaged: Imaged) -> None:
    images = imaged(6, (5, 48, 40))
    assert block.predict(images).shape == (5, 48, 40)


def test_a_stack_of_one_slice_and_odd_size_is_segmented(fitted: UNet, imaged: Imaged) -> None:
    images = imaged(7, (1, 33, 47))
    assert fitted.predict(images).shape == (1, 33, 47)


@pytest.mark.parametrize(("normalization", "moves"), [("stack", False), ("training", True)])
def test_normalization_by_stack_makes_up_for_another_grey_scale(
    fitted: UNet, other_images: Images, normalization: str, moves: bool
) -> None:
    foreign = other_images.with_data((3.0 * other_images.data + 7.0).astype(np.float32))
    unet = UNet.from_model(fitted.model, normalization=normalization)
    wrong = np.mean(unet.predict(foreign).data != unet.predict(other_images).data)
    assert (wrong > 0.1) == moves


def test_8_and_16_bit_images_are_segmented_as_floats_are(
    fitted: UNet, other_images: Images
) -> None:
    grey = (other_images.data - other_images.data.min()) / np.ptp(other_images.data)
    floats = fitted.predict(other_images).data
    for dtype in (np.uint8, np.uint16):
        whole = other_images.with_data((grey * np.iinfo(dtype).max).round().astype(dtype))
        assert np.mean(fitted.predict(whole).data != floats) < 0.01


def test_other_voltage_and_voxel_size_are_warned_of(
    fitted: UNet, other_images: Images, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        fitted.predict(other_images.with_data(other_images.data, voxel_size_nm=5.2))
        assert caplog.text == ""
        fitted.predict(other_images.with_data(other_images.data, voxel_size_nm=(10.0, 5.0, 5.0)))
        assert "this voxel size" in caplog.text
        caplog.clear()
        fitted.predict(replace(other_images, kv=(4.0,), names=()))
        assert "shine-through" in caplog.text


def test_another_number_of_channels_is_refused(fitted: UNet, other_images: Images) -> None:
    two = Images.stack([other_images, replace(other_images, kv=(4.0,), names=())])
    with pytest.raises(FibError, match=r'choose the channels with "kv": \[2\]'):
        fitted.predict(two)


def test_a_network_has_to_be_fitted_first(other_images: Images) -> None:
    with pytest.raises(FibError, match="has to be fitted first"):
        UNet().predict(other_images)


def test_instance_normalization_is_applied_to_windows(
    small: Callable[..., UNet], images: Images, structure: Labels, wide: Images
) -> None:
    unet = small(norm="instance", epochs=1).fit(images, structure, context=Context(1))
    whole = probability(unet, wide, window=256)
    assert np.array_equal(probability(unet, wide, window=512), whole)
    tiled = probability(unet, wide, window=64)
    assert 0 < np.mean((tiled[0] > 0.5) != (whole[0] > 0.5)) < 0.1
