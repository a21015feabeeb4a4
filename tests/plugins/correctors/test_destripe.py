"""Curtains are removed as far as they differ from structure, and nothing else is."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from fib_plugins import Destripe
from fib_plugins.testing import check_plugin
from fibcore import Context, Images

VOXEL = (5.0, 5.0, 5.0)


def structure(shape=(12, 160, 128), seed=0, grain=(4.0, 4.0, 4.0)):
    """Two phases at 80 and 160 with noise, float32."""
    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.standard_normal(shape), grain, mode="wrap")
    signal = gaussian_filter((field > 0).astype(np.float32), (0, 0.7, 0.7))
    return (80 + 80 * signal + rng.normal(0, 3, shape)).astype(np.float32)


def curtains(shape, deviation, seed=1, slope=0.0):
    """Stripes of width 2 px, independent from slice to slice, that change slowly along y."""
    rng = np.random.default_rng(seed)
    depth, rows, width = shape
    wide = gaussian_filter(rng.standard_normal((depth, rows, 2 * width)), (0, 60, 1.5))
    wide += 0.1 * gaussian_filter1d(rng.standard_normal((depth, 1, 2 * width)), 1.5, axis=2)
    shift = np.rint(width / 2 - slope * np.arange(rows)).astype(int)
    lines = np.stack([wide[:, y, s : s + width] for y, s in enumerate(shift)], axis=1)
    lines -= lines.mean(axis=(1, 2), keepdims=True)
    return (lines * (deviation / lines.std())).astype(np.float32)


def images(data, **changes):
    return Images(data, VOXEL, **{"kv": (2.0,), **changes})


def corrected(data, **parameters):
    context = Context(0)
    result = Destripe(**parameters).correct(images(data), context)
    return result.data[0], context


def test_contract():
    assert check_plugin(Destripe) == []


@pytest.mark.parametrize("deviation", [10.0, 20.0])
def test_most_of_the_curtains_is_removed_and_structure_stays(deviation):
    clean = structure()
    stripes = curtains(clean.shape, deviation)
    result, context = corrected(clean + stripes)
    assert np.std(result - clean) < 0.45 * deviation
    table = context.kept["corrections"]
    removed = np.asarray(table["2 kV_removed_grey"])
    assert removed.mean() == pytest.approx(deviation, rel=0.25)
    assert len(removed) == len(clean)
