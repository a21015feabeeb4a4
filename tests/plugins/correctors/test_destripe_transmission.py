"""Curtains that are a factor on the bright phase and last for several slices."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from fib_plugins import Destripe
from fib_plugins.correctors.destripe.columns import Columns
from fib_plugins.correctors.destripe.expected import (
    bright,
    expected,
    features,
    fit_factors,
    log_signal,
)
from fib_plugins.correctors.destripe.transmission import covariance, solve
from fibcore import Context, Images

BLACK, SLANT = 30.0, 2.0


@pytest.fixture(scope="module")
def stack():
    """A clean stack, 40 (pores) and 130 with a halo, and the log transmission of its curtains."""
    rng = np.random.default_rng(0)
    shape = (13, 112, 80)
    field = gaussian_filter(rng.standard_normal(shape), 3.5, mode="wrap")
    solid = (field > 0).astype(np.float32)
    halo = np.maximum(-gaussian_filter(solid, (0, 2, 2), order=(0, 0, 1)), 0)
    clean = 40 + 90 * gaussian_filter(solid, (0, 0.8, 0.8)) * (1 + halo)
    clean += rng.normal(0, 3, shape)
    wide = gaussian_filter(rng.standard_normal((13, 1, 160)), (2, 0, 2.5), mode="wrap")
    wide *= 0.2 / wide.std()
    shift = np.rint(np.tan(np.radians(SLANT)) * np.arange(112)).astype(int)
    log = np.stack([wide[:, 0, 40 - s : 120 - s] for s in shift], axis=1)
    return clean.astype(np.float32), log.astype(np.float32)


def images(data):
    return Images(np.clip(np.rint(data), 0, 255).astype(np.uint8), (5.0,) * 3, kv=(2.0,))


def recorded(stack):
    clean, log = stack
    return images(BLACK + (clean - BLACK) * np.exp(log))


def error(data, clean):
    """The rms error after a gain and an offset of each slice."""
    found = []
    for one, aim in zip(data.astype(float), clean, strict=True):
        line = np.polyfit(one.ravel(), aim.ravel(), 1)
        found.append(np.mean((np.polyval(line, one) - aim) ** 2))
    return np.sqrt(np.mean(found)) / clean.std()


def test_curtains_that_last_are_removed(stack):
    given, context = recorded(stack), Context(0)
    clean = images(stack[0]).data[0]
    fitted = Destripe(method="transmission").fit(given)
    deviation, kept = fitted.model.info["transmission"][0][:2]
    assert fitted.model.info["slant_deg"][0] == pytest.approx(SLANT, abs=0.5)
    assert 0.1 < deviation < 0.3
    assert kept > 0.5
    result = fitted.correct(given, context).data[0]
    assert error(result, clean) < 0.65 * error(given.data[0], clean)
    table = context.kept["corrections"]
    assert np.asarray(table["2 kV_removed_grey"]).min() > 0


def test_without_curtains_images_stay(stack, caplog):
    given = images(stack[0])
    result = Destripe(method="transmission").correct(given).data[0]
    assert np.array_equal(result, given.data[0])
    assert "no curtains are visible" in caplog.text


def test_threads_constant_and_saturated_pixels(stack):
    data = recorded(stack).data[0][:, :64, :64].copy()
    data[12], data[6, 20:30, 20:30] = 90, 255
    given = Images(data, (5.0,) * 3, kv=(2.0,))
    plugin = Destripe(method="transmission", slant_deg=2.0, strength=0.3, persistence_slices=4)
    one, three = (plugin.correct(given, Context(0, threads=number)).data[0] for number in (1, 3))
    assert np.array_equal(one, three)
    assert np.array_equal(one[12], data[12])
    assert np.array_equal(one[6][data[6] == 255], data[6][data[6] == 255])
    assert not np.array_equal(one[5], data[5])


def test_expected_grey_is_a_linear_function_of_the_mask():
    rng = np.random.default_rng(3)
    masks = [gaussian_filter(rng.standard_normal((60, 60)), 3) > 0 for _ in range(3)]
    rows = np.stack([f.ravel() for f in features(masks, 1)], axis=1)
    known = rng.normal(size=rows.shape[1])
    values = rows.astype(float) @ known + rng.normal(0, 0.01, len(rows))
    values[::50] += 3.0  # outliers
    factors, scatter = fit_factors(rows, values)
    assert scatter == pytest.approx(0.01, rel=0.2)
    assert np.allclose(rows @ factors, rows @ known, atol=0.01)
    assert np.allclose(expected(masks, 1, factors).ravel(), rows @ factors, atol=1e-3)


def test_masks_and_signals_of_a_slice():
    plane = np.full((40, 40), 40.0)
    plane[:, 20:] = 120.0
    curtains = np.zeros((40, 40))
    assert bright(plane, BLACK, curtains)[:, 22:].all()
    assert not bright(plane, BLACK, curtains)[:, :18].any()
    assert not bright(np.full((40, 40), 7.0), BLACK, curtains).any()
    assert log_signal(np.array([[130.0]]), BLACK, 80.0)[0, 0] == pytest.approx(np.log(2.0))


def test_offsets_are_those_of_a_gaussian_process():
    rng = np.random.default_rng(4)
    shape, kept, deviation = (3, 4, 5), 0.6, 0.2
    weights = rng.uniform(0, 200, shape).astype(np.float32)
    measured = rng.normal(0, 0.2, shape).astype(np.float32)
    covariances = [
        share ** np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        for share, n in zip((kept, 0.8, 0.8), shape, strict=True)
    ]
    full = deviation**2 * np.kron(covariances[0], np.kron(*covariances[1:]))
    inverse = np.diag(weights.ravel()) + np.linalg.inv(full)
    wanted = np.linalg.solve(inverse, (weights * measured).ravel())
    found = solve(weights, weights * measured, deviation, kept)
    assert np.allclose(found.ravel(), wanted, atol=1e-4)


def test_covariance_of_knots_is_the_variance_of_curtains():
    rng = np.random.default_rng(5)
    lines = rng.normal(0, 0.1, (20, 1, 400))
    measured = lines + rng.normal(0, 0.2, (20, 8, 400))
    weights = np.full(measured.shape, 1e4)
    sums = [(weights, weights * measured)]
    assert covariance(sums, 0) == pytest.approx(0.01, rel=0.1)
    assert abs(covariance(sums, 1)) < 1e-3


def test_knots_are_half_a_length_apart(stack):
    spaced = Columns(128, 96, 16.0)
    assert spaced.knots == 9
    memory = [
        Destripe(method="transmission", length_px=length)
        .forecast("correct", {"images": images(stack[0]).spec})
        .memory_bytes
        for length in (8, 64)
    ]
    assert memory[0] > memory[1]
