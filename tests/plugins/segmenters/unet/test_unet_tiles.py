import numpy as np
import pytest
import torch

from fib_plugins.segmenters.unet import tiles as module
from fib_plugins.segmenters.unet.network import build_network, folded
from fib_plugins.segmenters.unet.tiles import Span, largest, most_voxels, reach, tiles

SHAPES = [(2048, 3072), (512, 512), (150, 170), (1, 33), (1000, 40), (7, 5000)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("depth", "most"), [(2, 1), (3, 2**18), (3, 2**19), (5, 1)])
def test_tiles_yield_every_pixel_once_and_are_small(
    shape: tuple[int, int], depth: int, most: int
) -> None:
    found = tiles(shape, depth, most)
    yielded = np.zeros(shape, int)
    for rows, columns in found:
        yielded[rows.own, columns.own] += 1
        for span, length in ((rows, shape[0]), (columns, shape[1])):
            assert span.length % 2**depth == 0
            assert 0 <= span.shown.start <= span.own.start < span.own.stop <= span.shown.stop
            assert span.shown.stop < length + 2**depth
    assert (yielded == 1).all()
    assert largest(shape, depth, most) <= max(most, (4 * sum(reach(depth))) ** 2)


def test_a_slice_that_fits_is_one_tile() -> None:
    whole = Span(slice(0, 500), slice(0, 504)), Span(slice(0, 512), slice(0, 512))
    assert tiles((500, 512), 3, 2**18) == [whole]


def test_little_is_computed_twice() -> None:
    for itemsize, most in ((4, 1.31), (2, 1.19)):
        found = tiles((2048, 3072), 3, most_voxels(16, itemsize))
        assert sum(rows.length * columns.length for rows, columns in found) < most * 2048 * 3072


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_tiles_give_what_one_pass_over_the_whole_slice_gives(depth: int) -> None:
    whole, tiled = whole_and_tiled(depth)
    assert torch.allclose(tiled, whole, atol=1e-5)


@pytest.mark.parametrize("too_little", [(1, 0), (0, 1)], ids=["before", "behind"])
@pytest.mark.parametrize("depth", [2, 3])
def test_tiles_show_no_more_than_they_have_to(
    depth: int, too_little: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, behind = (n - 2**depth * less for n, less in zip(reach(depth), too_little, strict=True))
    monkeypatch.setattr(module, "reach", lambda depth: (before, behind))
    whole, tiled = whole_and_tiled(depth)
    assert not torch.allclose(tiled, whole, atol=1e-5)


def whole_and_tiled(depth: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return scores of noise by a random network, in one pass and in tiles."""
    network = folded(
        build_network(
            flat=True, channels=2, classes=2, base_channels=2, depth=depth, norm="batch", seed=1
        )
    )
    edge = 5 * sum(module.reach(depth))
    edge += -edge % 2**depth
    noise = torch.randn(1, 2, edge, edge, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        whole = network(noise)
        tiled = torch.full_like(whole, torch.nan)
        parts = tiles((edge, edge), depth, 1)
        assert len(parts) > 1
        for rows, columns in parts:
            made = network(noise[:, :, rows.shown, columns.shown])
            tiled[:, :, rows.own, columns.own] = made[:, :, rows.inner, columns.inner]
    return whole, tiled
