"""Sums, the linear system, scales and columns against plain computations."""

import numpy as np
import pytest

from fib_plugins.correctors.destripe.columns import Columns
from fib_plugins.correctors.destripe.levels import NONE, Levelled, Scale
from fib_plugins.correctors.destripe.slopes import add_bends, add_changes, add_slopes
from fib_plugins.correctors.destripe.system import improve

SCALE = 0.3


def plain_sums(differences, left, columns, starts):
    """Weights and weighted differences at knots, by the formula, float64."""
    weights = 1.0 / (1.0 + (left / SCALE) ** 2) ** 2
    found = np.zeros((2, columns.knots, columns.columns))
    for y in range(columns.rows):
        for x in range(differences.shape[1]):
            for knot, share in (
                (columns.above[y], 1 - columns.shares[y]),
                (columns.above[y] + 1, columns.shares[y]),
            ):
                place = knot, starts[y] + x
                found[0][place] += share * weights[y, x]
                found[1][place] += share * weights[y, x] * differences[y, x]
    return found


@pytest.fixture
def three():
    rng = np.random.default_rng(0)
    columns = Columns(20, 15, 7.0, slope=0.2)
    planes = rng.normal(size=(3, 20, 15)).astype(np.float32)
    offsets = rng.normal(size=(3, columns.knots, columns.columns)).astype(np.float32)
    full = np.stack([columns.offsets_of(part) for part in offsets])
    return columns, planes, offsets, full


def test_sums_of_slopes_differences_and_bends(three):
    columns, planes, offsets, full = three
    place = columns.above, columns.shares, columns.starts, 1, SCALE
    sums = np.zeros((3, 2, *offsets.shape[1:]), np.float32)
    add_slopes(planes[0], NONE, offsets[0], *place, *sums[0])
    add_changes(planes[0], NONE, offsets[0], planes[1], NONE, offsets[1], *place, *sums[1])
    add_bends(tuple(planes), (NONE,) * 3, offsets, *place, *sums[2])
    bend = planes[1] - 0.5 * (planes[0] + planes[2])
    cases = (
        (np.diff(planes[0], axis=1), np.diff(full[0], axis=1)),
        (planes[1] - planes[0], full[1] - full[0]),
        (bend, full[1] - 0.5 * (full[0] + full[2])),
    )
    for found, (differences, known) in zip(sums, cases, strict=True):
        wanted = plain_sums(differences, differences - known, columns, columns.starts)
        assert np.allclose(found, wanted, rtol=1e-4, atol=1e-4)


def test_the_system_is_that_of_least_squares():
    rng = np.random.default_rng(1)
    shape = (4, 3, 5)
    given = rng.uniform(0.5, 2.0, (6, *shape)).astype(np.float32)
    across, slopes, between, changes, bends, bent = given
    for sums in (bends, bent):
        sums[[0, -1]] = 0
    prior, along, hold = held = tuple(np.float32(v) for v in (0.3, 0.2, 0.1))
    number = np.arange(np.prod(shape)).reshape(shape)
    rows, weights, targets = [], [], []

    def add(weight, target, terms):
        row = np.zeros(number.size)
        for place, factor in terms:
            row[number[place]] += factor
        rows.append(row)
        weights.append(weight)
        targets.append(target / weight)

    for z, b, u in np.ndindex(shape):
        here = (z, b, u)
        add(prior, 0.0, [(here, 1)])
        if u + 1 < shape[2]:
            add(across[here], slopes[here], [((z, b, u + 1), 1), (here, -1)])
        if z + 1 < shape[0]:
            add(between[here], changes[here], [((z + 1, b, u), 1), (here, -1)])
            add(hold, 0.0, [((z + 1, b, u), 1), (here, -1)])
        if b + 1 < shape[1]:
            add(along, 0.0, [((z, b + 1, u), 1), (here, -1)])
        if 0 < z < shape[0] - 1:
            add(bends[here], bent[here], [(here, 1), ((z - 1, b, u), -0.5), ((z + 1, b, u), -0.5)])
    root = np.sqrt(weights)
    wanted = np.linalg.lstsq(np.array(rows) * root[:, None], np.array(targets) * root, rcond=None)
    s = np.zeros(shape, np.float32)
    improve(s, tuple(given), held, 100)
    assert np.allclose(s.ravel(), wanted[0], atol=1e-4)


@pytest.mark.parametrize("black", [None, 10.0])
def test_scales_have_an_inverse(black):
    scale = Scale(black, 100.0)
    grey = np.linspace(0, 255, 500).astype(np.float32)
    values = scale.values(grey)
    assert (np.diff(values) > 0).all()
    assert np.allclose(scale.grey(values), grey, atol=1e-2)


def test_on_a_logarithmic_scale_factors_are_offsets():
    scale = Scale(10.0, 100.0)
    dark, bright = (scale.values(np.array([10.0 + v, 10.0 + 1.1 * v])) for v in (50.0, 150.0))
    assert np.diff(dark) == pytest.approx(np.diff(bright), rel=1e-4)


def test_levelled_slices_have_mean_0_and_deviation_1():
    plane = np.random.default_rng(2).integers(5, 250, (40, 50)).astype(np.uint8)
    levelled = Levelled.of(plane, Scale(None, 120.0)).levelled()
    assert levelled.mean() == pytest.approx(0, abs=1e-4)
    assert levelled.std() == pytest.approx(1, abs=1e-4)


def test_columns_follow_a_slant():
    columns = Columns(40, 30, 10.0, slope=0.5)
    at_knots = np.tile(np.arange(columns.columns, dtype=np.float32), (columns.knots, 1))
    offsets = columns.offsets_of(at_knots)
    assert offsets[0, 10] == offsets[20, 20]  # 10 pixels to the right over 20 rows
    assert columns.columns == 30 + 20
