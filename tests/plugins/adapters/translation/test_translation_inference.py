from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fib_plugins.adapters.cyclegan import CycleGAN
from fib_plugins.adapters.translation import inference
from fib_plugins.adapters.translation.generators import build_generator, network_params
from fib_plugins.adapters.translation.grey_range import GreyRange
from fib_plugins.adapters.translation.inference import translated
from fib_plugins.adapters.translation.noise import NoiseLaw
from fibcore import Context, Images

RANGE = GreyRange(np.array([-1.0]), np.array([1.0]))
LAW = NoiseLaw(
    np.array([[0.04, 0.01, 0.0]], np.float32),
    np.array([[-1.0, 1.0]], np.float32),
    np.array([0.2], np.float32),
)
SMALL_REACH = {"depth": 1, "blocks": 0}  # so that a tile with its margin is less than a slice

Adapter = Callable[..., CycleGAN]


@pytest.fixture
def adapter() -> Adapter:
    return lambda **changes: CycleGAN(
        **{"base_channels": 4, "patch": 32, "cpu_threads": 1, "noise": "none"}
        | SMALL_REACH
        | changes
    )


def stack(*shape: int, seed: int = 0) -> Images:
    rng = np.random.default_rng(seed)
    return Images(rng.uniform(-1, 1, shape).astype(np.float32), (5.0, 5.0, 5.0), kv=(2.0,))


def translate(
    params: CycleGAN, images: Images, context: Context | None = None, **options: Any
) -> np.ndarray:
    """Translate with a generator of random weights; axes (z, y, x)."""
    generator = build_generator(channels=1, **network_params(params), seed=4)
    with torch.no_grad():
        generator.last.weight *= 10.0  # so that everything before it shows in the result
    if generator.added is not None:
        generator.added.follow(LAW)
    with torch.random.fork_rng():
        context = context or Context(1, threads=1)
        found = list(translated(params, generator, images, RANGE, context, **options))
    wanted = options.get("slices") or range(images.shape[0])
    assert [z for z, _ in found] == list(wanted)
    return np.stack([plane[0] for _, plane in found])


def farthest(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one - other).max())


@pytest.mark.parametrize("generator", ["unet", "resnet"])
@pytest.mark.parametrize("norm", ["pixel", "instance"])
@pytest.mark.parametrize("shape", [(1, 128, 96), (1, 123, 101)])
def test_translations_do_not_depend_on_the_size_of_tiles(
    adapter: Adapter, generator: str, norm: str, shape: tuple[int, int, int]
) -> None:
    params = adapter(generator=generator, norm=norm)
    whole = translate(params.model_copy(update={"tile": 512}), stack(*shape))
    assert whole.std() > 0.1
    for tile in (32, 50, 64):
        tiled = translate(params.model_copy(update={"tile": tile}), stack(*shape))
        assert farthest(tiled, whole) < 1e-5


@pytest.mark.parametrize("shape", [(1, 75, 61), (1, 33, 35), (1, 32, 32)])
def test_nor_with_the_default_networks_on_slices_of_any_size(
    adapter: Adapter, shape: tuple[int, int, int]
) -> None:
    params = adapter(depth=2, blocks=3, noise="measured")
    whole = translate(params.model_copy(update={"tile": 512}), stack(*shape))
    assert whole.shape == shape
    assert farthest(translate(params.model_copy(update={"tile": 32}), stack(*shape)), whole) < 1e-5


def test_slices_that_need_no_padding_are_what_the_network_makes_of_them(adapter: Adapter) -> None:
    params, images = adapter(), stack(2, 64, 48)
    generator = build_generator(channels=1, **network_params(params), seed=4)
    with torch.no_grad():
        expected = generator(torch.from_numpy(images.data.swapaxes(0, 1))).mean[:, 0].numpy()
    found = translated(params, generator, images, RANGE, Context(1, threads=1))
    assert farthest(np.stack([plane[0] for _, plane in found]), expected) < 1e-5


def test_tiles_would_show_if_their_margin_were_narrower(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, images = adapter(tile=32), stack(1, 128, 96)
    whole = translate(params.model_copy(update={"tile": 512}), images)
    spans = inference._spans

    def narrow(length: int, generator: Any, tile: int) -> Any:
        generator.reach -= 4
        return spans(length, generator, tile)

    monkeypatch.setattr(inference, "_spans", narrow)
    assert farthest(translate(params, images), whole) > 1e-4


def test_tiles_would_show_if_each_were_normalised_by_itself(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    params, images = adapter(norm="instance"), stack(1, 128, 96)
    monkeypatch.setattr(inference, "take_statistics", lambda network, patches: network.train())
    whole, tiled = (
        translate(params.model_copy(update={"tile": tile}), images) for tile in (512, 32)
    )
    assert farthest(tiled, whole) > 0.01


def test_a_slice_does_not_depend_on_the_others(adapter: Adapter) -> None:
    params = adapter(noise="measured")
    images, others = stack(4, 40, 40), stack(4, 40, 40, seed=1)
    data = others.data.copy()
    data[:, 2] = images.data[:, 2]
    together = translate(params, images)
    assert np.array_equal(translate(params, others.with_data(data))[2], together[2])
    assert np.array_equal(translate(params, images, slices=[3, 1]), together[[3, 1]])


@pytest.mark.parametrize("norm", ["pixel", "instance"])
@pytest.mark.parametrize("threads", [1, 3])
def test_slices_that_are_translated_together_are_what_each_is_alone(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch, norm: str, threads: int
) -> None:
    params, images = adapter(noise="measured", norm=norm, tile=32), stack(7, 70, 45)
    context = Context(1, threads=threads)
    alone = translate(params, images, context)
    sizes: list[int] = []
    build = inference._in_tiles

    def noted(module: Any, generator: Any, planes: np.ndarray, *rest: Any) -> Any:
        sizes.append(len(planes))
        return build(module, generator, planes, *rest)

    monkeypatch.setattr(inference, "items_at_once", lambda *_: 3)
    monkeypatch.setattr(inference, "_in_tiles", noted)
    assert farthest(translate(params, images, context), alone) < 1e-5
    assert sorted(sizes) == [1, 3, 3]
    some = [6, 0, 3, 2, 5]
    assert farthest(translate(params, images, context, slices=some), alone[some]) < 1e-5


def test_how_many_go_together_is_limited_by_what_they_are_and_what_they_take(
    adapter: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def noted(device: torch.device, bytes_each: int, most: int) -> int:
        asked.append((bytes_each, most))
        return 1

    monkeypatch.setattr(inference, "items_at_once", noted)
    for tile, threads, edge in ((512, 1, 128), (512, 2, 128), (32, 1, 128), (512, 1, 256)):
        translate(adapter(tile=tile), stack(1, edge, edge), Context(1, threads=threads))
    (whole, most), (twice, _), (tiled, same), (_, fewer) = asked
    assert twice == 2 * whole  # each worker has a batch
    assert tiled < whole
    assert most == same == 4 * fewer == 128
    assert whole > 128**2 * 4 * 4  # pixels, float32, feature channels


@pytest.mark.parametrize("norm", ["pixel", "instance"])
def test_the_grey_of_a_phase_does_not_depend_on_how_much_of_it_a_slice_holds(
    adapter: Adapter, norm: str
) -> None:
    params = adapter(norm=norm)
    data = np.full((1, 4, 64, 160), -0.5, np.float32)
    for z, width in enumerate((4, 20, 60, 100)):
        data[0, z, :, -width:] = 0.7
    found = translate(params, Images(data, (5.0, 5.0, 5.0), kv=(2.0,)))
    dark = found[:, 16:48, :40]  # further from the bright part than the reach
    assert np.ptp(dark.mean(axis=(1, 2))) < 1e-5
    assert abs(found[0, 32, 30] - found[3, 32, 130]) > 0.01  # and yet the phases differ


def test_brightness_does_not_flicker_along_z(adapter: Adapter) -> None:
    params = adapter(noise="measured")
    images = stack(1, 64, 64)
    same = images.with_data(np.repeat(images.data, 12, axis=1))
    found = translate(params, same)
    quiet = translate(params.model_copy(update={"noise": "none"}), same)
    assert farthest(quiet, quiet[:1]) == 0.0
    deviation = np.sqrt(found.var(axis=0, ddof=1).mean())
    assert deviation > 0.05
    flicker = found.mean(axis=(1, 2)).std(ddof=1)
    assert flicker == pytest.approx(deviation / 64, rel=0.7)  # mean of 64 x 64 noisy pixels


def test_noise_is_white_and_its_own_in_each_slice(adapter: Adapter) -> None:
    images = stack(1, 64, 64)
    same = images.with_data(np.repeat(images.data, 3, axis=1))
    found = translate(adapter(noise="measured"), same)
    noise = [found[0] - found[1], found[1] - found[2]]
    assert np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1] == pytest.approx(-0.5, abs=0.1)
    for axis in (0, 1):
        shifted = np.roll(noise[0], 1, axis)
        assert abs(np.corrcoef(noise[0].ravel(), shifted.ravel())[0, 1]) < 0.06


def test_other_images_get_other_noise_at_the_same_seed(adapter: Adapter) -> None:
    images = stack(2, 64, 64)
    others = images.with_data(images.data * np.float32(1.001))
    noise = [
        translate(adapter(noise="measured"), each) - translate(adapter(), each)
        for each in (images, others)
    ]
    assert noise[0].std() > 0
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 4 / 64


def test_bytes_do_not_depend_on_threads_tiles_or_order(adapter: Adapter) -> None:
    params, images = adapter(noise="measured"), stack(6, 48, 48)
    first = translate(params, images, Context(1, threads=1))
    assert np.array_equal(translate(params, images, Context(1, threads=4)), first)
    backwards = translate(params, images, Context(1, threads=2), slices=[5, 4, 3, 2, 1, 0])
    assert np.array_equal(backwards[::-1], first)
    assert farthest(translate(params, images, Context(2, threads=1)), first) > 0.1  # another seed


def test_the_seed_decides_the_noise_alone(adapter: Adapter) -> None:
    quiet, images = adapter(), stack(2, 48, 48)
    assert np.array_equal(
        translate(quiet, images, Context(1)), translate(quiet, images, Context(2))
    )


def test_fast_is_near_to_exact(adapter: Adapter) -> None:
    exact = translate(adapter(), stack(2, 48, 48))
    fast = translate(adapter(fast=True), stack(2, 48, 48))
    assert 0.0 < farthest(fast, exact) < 0.1 * np.ptp(exact)


@pytest.mark.parametrize("norm", ["pixel", "instance"])
def test_slices_smaller_than_a_training_patch_can_be_translated(
    adapter: Adapter, norm: str
) -> None:
    for shape in ((2, 20, 70), (2, 17, 33), (2, 5, 4)):
        found = translate(adapter(norm=norm), stack(*shape))
        assert found.shape == shape
        assert np.isfinite(found).all()
