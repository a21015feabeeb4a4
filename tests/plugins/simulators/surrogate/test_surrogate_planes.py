"""What the network sees: structures continued beyond their ends, and the planes of its levels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fib_plugins.simulators.surrogate.geometry import Geometry
from fib_plugins.simulators.surrogate.network import build_network
from fib_plugins.simulators.surrogate.planes import Planes, Surroundings, batch_of, shown
from fibcore import Labels

SHAPE = (4, 5, 3)
MEDIA = np.roll(np.arange(256), 7).astype(np.uint8)


@pytest.mark.parametrize("lateral", ["periodic", "mirror"])
@pytest.mark.parametrize("below", ["mirror", "repeat", 9], ids=str)
def test_a_structure_is_continued_like_a_padded_array(lateral, below):
    data = np.random.default_rng(1).integers(0, 3, SHAPE, dtype=np.uint8)
    around = Surroundings(Labels(data, 4.0), MEDIA, lateral, below)
    deep, side = 11, 13  # more than twice the volume
    how = {"mirror": "symmetric", "repeat": "edge"}.get(below, "constant")
    value = {} if isinstance(below, str) else {"constant_values": below}
    plain = np.pad(data, ((0, deep), (0, 0), (0, 0)), how, **value)
    sides = {"periodic": "wrap", "mirror": "symmetric"}[lateral]
    plain = MEDIA[np.pad(plain, ((0, 0), (side, side), (side, side)), sides)]
    whole = around.cut((0, 4 + deep), (-side, 5 + side), (-side, 3 + side))
    np.testing.assert_array_equal(whole, plain)
    np.testing.assert_array_equal(
        around.cut((3, 9), (-4, 2), (1, 8)), plain[3:9, side - 4 : side + 2, side + 1 : side + 8]
    )
    np.testing.assert_array_equal(
        around.cut((6, 8), (0, 5), (0, 3)), plain[6:8, side : side + 5, side : side + 3]
    )


def test_media_are_shown_in_a_channel_each_but_the_first():
    media = torch.tensor([0, 1, 2, 1], dtype=torch.uint8).reshape(4, 1, 1)
    assert shown(media, 3)[:, :, 0, 0].tolist() == [[-1, -1], [1, -1], [-1, 1], [1, -1]]
    assert shown(media * 0, 1).tolist() == [[[[-1.0]]]] * 4


@pytest.mark.parametrize("size", [(4.0, 4.0, 4.0), (10.0, 3.0, 3.0)], ids=str)
def test_a_level_shows_means_of_the_voxels_below_a_slice(size):
    geometry = Geometry.of(4, size, 100.0)
    height, width = np.multiply(geometry.grain, (2, 3)).tolist()
    shape = (geometry.depth + 5, height, width)
    media = np.random.default_rng(2).integers(0, 2, shape, dtype=np.uint8)
    planes = Planes(geometry, torch.from_numpy(media), 2, margins=False)
    for z in (0, 3):
        for (dz, dy, dx), found in zip(geometry.scales, planes.at(z), strict=True):
            part = 2.0 * media[z : z + 4 * dz] - 1.0
            blocks = part.reshape(4, dz, height // dy, dy, width // dx, dx).mean((1, 3, 5))
            np.testing.assert_allclose(found.numpy(), blocks, atol=1e-6)


@pytest.mark.parametrize("size", [(4.0, 4.0, 4.0), (10.0, 3.0, 3.0), (4.0, 3.0, 9.0)], ids=str)
@pytest.mark.parametrize("grains", [(3, 5), (1, 1)], ids=str)
def test_a_window_with_margins_gives_what_the_whole_periodic_slice_gives(size, grains):
    geometry = Geometry.of(4, size, 100.0)
    network = build_network(geometry, media=3, features=6, outputs=2, seed=1).eval()
    shape = height, width = np.multiply(geometry.grain, grains).tolist()
    data = np.random.default_rng(3).integers(0, 3, (3, height, width), dtype=np.uint8)
    around = Surroundings(Labels(data, size), np.arange(256, dtype=np.uint8), "periodic", "mirror")
    slices = (1, 1 + geometry.depth)
    whole = torch.from_numpy(around.cut(slices, (0, height), (0, width)))
    y, x = (edge // 2 // grain * grain for edge, grain in zip(shape, geometry.grain, strict=True))
    my, mx = geometry.margin
    window = around.cut(slices, (y - my, height + my), (x - mx, width + mx))
    with torch.no_grad():
        planes = Planes(geometry, whole, 3, margins=False).at(0)
        expected = network(batch_of([planes]), repeats=True)
        planes = Planes(geometry, torch.from_numpy(window), 3, margins=True).at(0)
        found = network(batch_of([planes]), repeats=False)
    assert expected.shape == (1, 2, height, width)
    assert float(expected.std()) > 1e-3
    torch.testing.assert_close(found, expected[:, :, y:, x:], atol=2e-5, rtol=0)
