from collections.abc import Callable

import numpy as np
import pytest
import torch

from fib_plugins.segmenters.unet.patches import Patches, Variation, starts
from fib_plugins.segmenters.unet.plugin import UNet

DEPTH, HEIGHT, WIDTH = 12, 40, 48
NUMBERED = torch.arange(2 * DEPTH * HEIGHT * WIDTH, dtype=torch.float32).reshape(
    2, DEPTH, HEIGHT, WIDTH
)
"""Two channels in which every voxel has its own grey value; the smallest is 0."""
TARGET = (NUMBERED[0] % 251).to(torch.uint8)

GEOMETRY = {"augment_gain": 0.0, "augment_offset": 0.0, "augment_ends": 0.0, "patch": 16}


def cut(
    unet: UNet,
    corners: list[list[int]],
    variation: Variation | None = None,
    first: int = 0,
    last: int = DEPTH,
) -> tuple[np.ndarray, np.ndarray]:
    patches = Patches(unet, NUMBERED[:, None, first:last], TARGET[None, first:last])
    variation = variation or Variation.none(unet, len(corners), 2)
    ((inputs, targets),) = patches.batches(np.array(corners) - [first, 0, 0], variation)
    return inputs.numpy(), targets.numpy()


def test_2_5d_inputs_are_the_slices_around_in_every_channel(small: Callable[..., UNet]) -> None:
    inputs, targets = cut(small(patch=16), [[5, 3, 7], [6, 24, 32]])
    for number, (z, y, x) in enumerate([(5, 3, 7), (6, 24, 32)]):
        box = np.s_[:, z - 2 : z + 4, y : y + 16, x : x + 16]
        assert np.array_equal(inputs[number], NUMBERED.numpy()[box].reshape(12, 16, 16))
        assert np.array_equal(targets[number, 0], TARGET.numpy()[z][box[2:]])


def test_2d_and_3d_inputs_are_slices_and_blocks(small: Callable[..., UNet]) -> None:
    flat, own = cut(small(dimensions="2d", patch=16), [[5, 3, 7]])
    block, inside = cut(small(dimensions="3d", patch=16, patch_depth=4), [[5, 3, 7]])
    box = np.s_[5:9, 3:19, 7:23]
    assert np.array_equal(flat[0], NUMBERED.numpy()[(slice(None), *box)][:, 0])
    assert np.array_equal(own[0, 0], TARGET.numpy()[box][0])
    assert np.array_equal(block[0], NUMBERED.numpy()[(slice(None), *box)])
    assert np.array_equal(inside[0, 0], TARGET.numpy()[box])


def test_beyond_the_ends_the_last_slice_is_repeated(small: Callable[..., UNet]) -> None:
    inputs, _ = cut(small(patch=16), [[3, 0, 0], [8, 0, 0]], first=2, last=10)
    first, last = inputs.reshape(2, 2, 6, 16, 16)
    corner = NUMBERED.numpy()[:, :, :16, :16]
    assert np.array_equal(first, corner[:, [2, 2, 3, 4, 5, 6]])
    assert np.array_equal(last, corner[:, [6, 7, 8, 9, 9, 9]])


def test_augmented_ends_look_like_ends(small: Callable[..., UNet]) -> None:
    unet = small(patch=16)
    variation = Variation.none(unet, 1, 2)
    variation.above[0], variation.below[0] = 1, 0
    augmented = cut(unet, [[5, 0, 0]], variation)
    at_ends = cut(unet, [[5, 0, 0]], first=4, last=6)
    assert np.array_equal(augmented[0], at_ends[0])
    assert np.array_equal(augmented[1], at_ends[1])


def test_ends_are_augmented_as_often_as_asked(small: Callable[..., UNet]) -> None:
    count = 4000
    drawn = Variation.draw(small(augment_ends=0.3), np.random.default_rng(0), count, 1)
    # Half of the 0.3 is for either side; one of three (of four) draws there hides nothing.
    assert np.mean(drawn.above < 2) == pytest.approx(0.15 * 2 / 3, abs=0.02)
    assert np.mean(drawn.below < 3) == pytest.approx(0.15 * 3 / 4, abs=0.02)


@pytest.mark.parametrize(
    ("flips", "rotations", "number"),
    [(True, True, 8), (True, False, 4), (False, True, 4), (False, False, 1)],
)
def test_patches_are_turned_and_mirrored_in_plane_with_their_labels(
    small: Callable[..., UNet], flips: bool, rotations: bool, number: int
) -> None:
    unet = small(**GEOMETRY, augment_flips=flips, augment_rotations=rotations, batch_size=64)
    drawn = Variation.draw(unet, np.random.default_rng(1), 64, 2)
    inputs, targets = cut(unet, [[5, 3, 7]] * 64, drawn)

    plain = NUMBERED.numpy()[:, 3:9, 3:19, 7:23]
    labels = TARGET.numpy()[5, 3:19, 7:23]
    square = [(turn, mirror) for turn in range(4) for mirror in (False, True)]
    seen = set()
    for patch, own in zip(inputs.reshape(64, 2, 6, 16, 16), targets[:, 0], strict=True):
        for turn, mirror in square:
            moved = np.rot90(plain[..., ::-1] if mirror else plain, turn, axes=(-2, -1))
            if np.array_equal(patch, moved):
                seen.add((turn, mirror))
                turned = np.rot90(labels[:, ::-1] if mirror else labels, turn)
                assert np.array_equal(own, turned)
                break
        else:
            pytest.fail("a patch that is no symmetry of the square (or mirrored along z)")
    assert len(seen) == number


def test_contrast_brightness_and_noise_vary_as_asked(small: Callable[..., UNet]) -> None:
    shape = {"patch": 16, "batch_size": 500, "augment_ends": 0.0}
    unet = small(**shape, augment_gain=0.2, augment_offset=0.5, augment_noise=0.1)
    ones = torch.ones(1, 1, DEPTH, HEIGHT, WIDTH)
    patches = Patches(unet, ones, TARGET[None])
    drawn = Variation.draw(unet, np.random.default_rng(2), 500, 1)
    ((inputs, _),) = patches.batches(np.full((500, 3), 5), drawn)

    levels = inputs.mean(dim=(1, 2, 3)).numpy()
    assert 0.25 < levels.min() < 0.5
    assert 1.5 < levels.max() < 1.75
    assert float(inputs.std(dim=(1, 2, 3)).mean()) == pytest.approx(0.1, rel=0.05)


@pytest.mark.parametrize("dimensions", ["2d", "2.5d", "3d"])
def test_the_grid_covers_every_voxel(small: Callable[..., UNet], dimensions: str) -> None:
    unet = small(dimensions=dimensions, patch=16, patch_depth=8)
    patches = Patches(unet, NUMBERED[:, None], TARGET[None])
    covered = np.zeros((DEPTH, HEIGHT, WIDTH), int)
    for z, y, x in patches.grid(1.0):
        covered[z : z + (8 if dimensions == "3d" else 1), y : y + 16, x : x + 16] += 1
    assert covered.min() == 1
    assert len(patches.grid(0.5)) > len(patches.grid(1.0))


def test_random_corners_reach_all_ends_and_not_beyond(small: Callable[..., UNet]) -> None:
    unet = small(dimensions="3d", patch=16, patch_depth=8)
    corners = Patches(unet, NUMBERED[:, None], TARGET[None]).at_random(
        np.random.default_rng(3), 2000
    )
    assert corners.min(axis=0).tolist() == [0, 0, 0]
    assert corners.max(axis=0).tolist() == [DEPTH - 8, HEIGHT - 16, WIDTH - 16]


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("size", [2, 5])
def test_shares_of_a_batch_are_its_patches(
    small: Callable[..., UNet], noise: float, size: int
) -> None:
    unet = small(patch=16, batch_size=4, augment_noise=noise)
    rng = np.random.default_rng(0)
    patches = Patches(unet, NUMBERED[:, None], TARGET[None])
    corners = patches.at_random(rng, 9)
    variation = Variation.draw(unet, rng, 9, 2)
    whole = list(patches.batches(corners, variation))
    assert [len(inputs) for inputs, _ in whole] == [4, 4, 1]
    for rank in range(size):
        share = slice(rank, None, size)
        for batch, own in zip(whole, patches.batches(corners, variation, share), strict=True):
            for tensor, part in zip(batch, own, strict=True):
                assert torch.equal(tensor[share], part)


def test_starts_end_flush() -> None:
    assert starts(100, 32, 16) == [0, 16, 32, 48, 64, 68]
    assert starts(64, 32, 32) == [0, 32]
    assert starts(32, 32, 16) == [0]
