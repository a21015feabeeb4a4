import logging

import numpy as np
import pytest

from fib_plugins.cells.power_diagram import PowerDiagram
from fib_plugins.cells.prescribed_volumes import relaxed, with_volumes
from fibcore.context import Context

PERIOD = np.array([1.0, 1.2, 0.9])


def test_cells_get_their_volumes():
    rng = np.random.default_rng(5)
    seeds = relaxed(rng.random((120, 3)) * PERIOD, PERIOD, 3, Context()).seeds
    radii = np.exp(0.25 * rng.standard_normal(120))
    volumes = radii**3 / np.sum(radii**3) * PERIOD.prod()
    found = with_volumes(seeds, PERIOD, volumes, np.zeros(120), Context())
    assert np.abs(found.volumes - volumes).max() < 0.01 * volumes.mean()


def test_volumes_that_cannot_be_reached_are_reported(caplog):
    rng = np.random.default_rng(6)
    volumes = np.full(30, 0.2 / 29) * PERIOD.prod()
    volumes[0] = 0.8 * PERIOD.prod()
    context = Context(log=logging.getLogger("fib.test"))
    with caplog.at_level(logging.WARNING):
        found = with_volumes(rng.random((30, 3)) * PERIOD, PERIOD, volumes, np.zeros(30), context)
    close = np.abs(found.volumes - volumes).max() < 0.01 * volumes.mean()
    assert close or "differ from those drawn" in caplog.text


def test_relaxation_makes_cells_alike():
    rng = np.random.default_rng(7)
    seeds = rng.random((150, 3)) * PERIOD
    before = PowerDiagram.of(seeds, PERIOD).volumes
    after = relaxed(seeds, PERIOD, 8, Context()).volumes
    assert after.sum() == pytest.approx(PERIOD.prod())
    assert after.std() < 0.3 * before.std()
