"""The nearest voxel of vacuum, against a search of all voxels."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.electrons import open_surfaces
from fib_plugins.electrons.open_surfaces import OF_VACUUM, find_surfaces, no_surfaces

SIZE = (2.0, 1.0, 1.5)


def found(vacuum, reach_nm, **options):
    """Return the offset to the nearest vacuum of each voxel, (z, y, x, 3), and the codes."""
    options = {"lateral": "periodic", "below": False, **options}
    surfaces = find_surfaces(lambda z: vacuum[z], vacuum.shape, SIZE, reach_nm, **options)
    codes = surfaces.codes.reshape(vacuum.shape).astype(np.int64)
    numbers = np.where(codes == OF_VACUUM, 0, codes >> surfaces.side_bits)
    return surfaces.offsets.reshape(-1, 3)[numbers], codes, surfaces.side_bits


@pytest.mark.parametrize(("lateral", "mode"), [("periodic", "wrap"), ("mirror", "symmetric")])
@pytest.mark.parametrize("below", ["mirror", "repeat", True, False])
def test_offsets_lead_to_the_nearest_vacuum(lateral, mode, below):
    rng = np.random.default_rng(4)
    vacuum = rng.random((6, 7, 8)) < 0.03
    reach, pad = 4.0, 6
    offsets, codes, _ = found(vacuum, reach, lateral=lateral, below=below)
    wide = np.pad(vacuum, ((0, 0), (pad, pad), (pad, pad)), mode=mode)
    deep = {"mirror": wide[::-1], "repeat": np.repeat(wide[-1:], pad, 0),
            True: np.ones_like(wide), False: np.zeros_like(wide)}  # fmt: skip
    wide = np.concatenate([wide, deep[below]])
    there = np.argwhere(wide)
    for z, y, x in np.ndindex(vacuum.shape):
        if vacuum[z, y, x]:
            assert codes[z, y, x] == OF_VACUUM
            continue
        away = np.linalg.norm((there - [z, y + pad, x + pad]) * SIZE, axis=1)
        offset = offsets[z, y, x]
        if offset.any():
            assert wide[z + offset[0], y + pad + offset[1], x + pad + offset[2]]
            assert np.linalg.norm(offset * SIZE) == pytest.approx(away.min())
        else:
            assert away.min() > reach


def test_blocks_do_not_show(monkeypatch):
    vacuum = np.random.default_rng(5).random((9, 8, 7)) < 0.05
    whole = found(vacuum, 5.0)[1]
    monkeypatch.setattr(open_surfaces, "BLOCK", (2, 3, 5))
    np.testing.assert_array_equal(found(vacuum, 5.0)[1], whole)


def test_sides_mark_the_neighbours_of_walls_one_voxel_thick():
    vacuum = np.ones((5, 5, 5), bool)
    vacuum[:, :, 2] = False
    _, codes, bits = found(vacuum, 2.0)
    assert bits == 6
    assert (codes[:, :, 2] & 0b111111 == 0b110000).all()


def test_fine_voxels_have_offsets_without_sides():
    vacuum = np.zeros((30, 2, 2), bool)
    vacuum[0] = True
    offsets, _, bits = found(vacuum, 24.0)
    assert bits == 0
    assert (offsets[1:12, :, :, 0] == -np.arange(1, 12)[:, None, None]).all()
    assert len(no_surfaces().codes) == 0
