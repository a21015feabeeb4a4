"""Plugins called from Python: how many threads BLAS would use does not change a bit."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fib_plugins.electrons.mott import mott
from fib_plugins.generators.wave_field import axis_of
from fib_plugins.metrics.domain_gap import DomainGap
from fibcore import Context, Images


def images(seed, channels):
    rng = np.random.default_rng(seed)
    data = rng.normal(30000, 8000, (channels, 8, 96, 96)).clip(0, 65535).astype(np.uint16)
    return Images(data, (4.0, 4.0, 4.0), kv=tuple(1.0 + c for c in range(channels)))


def gap():
    row = DomainGap().measure(images(1, 1), images(2, 1), context=Context(1)).rows()[0]
    return np.array([row["grey_distance"], row["scaled_grey_distance"]])


def scattering():
    mott.cache_clear()
    return mott(79).cumulative


CASES = {
    "distance of 16-bit histograms": gap,
    "scattering angles of gold": scattering,
    "long axis of waves": lambda: axis_of(700, 4.0, 0.3).matrix,
}


@pytest.mark.parametrize("compute", CASES.values(), ids=CASES)
def test_results_do_not_depend_on_the_threads_of_blas(compute):
    found = []
    for threads in (1, 2, 3, 13):
        with threadpool_limits(threads, user_api="blas"):
            found.append(compute())
    assert all(np.array_equal(found[0], other) for other in found[1:])
