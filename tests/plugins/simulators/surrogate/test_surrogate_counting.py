"""Monte Carlo counts for teaching and checking: those of `simulator/monte_carlo`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from fib_plugins import MonteCarlo, Surrogate
from fib_plugins.simulators.surrogate.counting import count_pixels, count_slices
from fib_plugins.simulators.surrogate.lessons import Lesson
from fib_plugins.simulators.surrogate.teaching import squared_error
from fibcore import Context

SETTINGS: list[dict[str, Any]] = [
    {},
    {"lateral": "mirror", "below": 0, "tilt_deg": 20.0, "detector_weighting": "energy"},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=["default", "changed"])
def test_counts_are_those_of_the_monte_carlo(structure, tiny, settings):
    labels = structure()
    params = Surrogate(**tiny | settings)
    shared = {"energies_kev": (1.0, 2.0), "electrons_per_pixel": 7, "mean_depth": True}
    context = Context(3)
    images = MonteCarlo(**shared | settings).simulate(labels, context=context)
    slices = count_slices(params, labels, [0, 1], [1, 4], 7, Context(3))
    np.testing.assert_array_equal(slices.yields, images.data[:, [1, 4]])
    depths = context.kept["depth"].data
    np.testing.assert_allclose(slices.depths_nm, depths[:, [1, 4]], rtol=1e-6)
    pixels = np.array([[0, 0, 0], [5, 20, 18], [2, 7, 7]])
    found = count_pixels(params, labels, [0, 1], pixels, 7, Context(3))
    z, y, x = pixels.T
    np.testing.assert_array_equal(found.yields, images.data[:, z, y, x])


def test_each_detector_has_its_channels(structure, tiny):
    detectors = ({"name": "all"}, {"name": "fast", "energy": (0.8, 1.0)})
    params = Surrogate(**tiny, detectors=detectors)
    assert params.channel_names == ("1 kV all", "2 kV all", "1 kV fast", "2 kV fast")
    yields = count_slices(params, structure(), [0, 1], [2], 8, Context(3)).yields
    assert yields.shape == (4, 1, 21, 19)
    assert (yields[2:] <= yields[:2]).all()
    assert 0 < yields[2:].sum() < yields[:2].sum()


def test_the_squared_error_has_no_counting_noise():
    rng = np.random.default_rng(4)
    truth = rng.uniform(0.02, 0.6, (1, 3, 200, 200)).astype(np.float32)
    counted = (rng.binomial(8, truth) / 8).astype(np.float32)
    lesson = Lesson("waves", np.zeros((3, 1, 1), np.uint8), np.arange(3), counted, counted)
    assert abs(squared_error(truth, lesson, 8).mean()) < 3e-4
    wrong = squared_error(truth + np.float32(0.1), lesson, 8).mean()
    assert wrong == pytest.approx(0.01, abs=5e-4)
