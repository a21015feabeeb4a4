"""Curves along the axes do not depend on the parts in which a volume is measured."""

from __future__ import annotations

import numpy as np
import pytest

from fib_plugins.metrics.curves import common_distances, curves_along_axes
from fibcore import Labels


@pytest.mark.parametrize("phase", ["solid", "pore"])
@pytest.mark.parametrize("part_voxels", [3000, 20_000])
def test_parts_make_no_difference(phase, part_voxels, blobs):
    labels = Labels(blobs((31, 43, 70)), (10.0, 4.0, 4.0))
    distances = common_distances(labels)
    whole = curves_along_axes(labels, phase, distances)
    parts = curves_along_axes(labels, phase, distances, part_voxels=part_voxels)
    for statistic, curves in whole.items():
        for axis, curve in curves.items():
            np.testing.assert_array_equal(parts[statistic][axis], curve)
