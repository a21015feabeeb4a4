"""The range of grey values that programs show from black to white."""

from __future__ import annotations

import numpy as np

from fibcore.volumes import Images, Labels


def display_range(volume: Labels | Images, data: np.ndarray) -> tuple[float, float]:
    """Return the grey values shown as black and white.

    Labels: 0 and the highest phase. 8-bit images: all values. Others: the quantiles 0.001 and
    0.999 of a sample of about a million voxels from at most 8 slices.
    """
    if isinstance(volume, Labels):
        return 0.0, float(max([1, *volume.phases]))
    if data.dtype == np.uint8:
        return 0.0, 255.0
    _, slices, rows, columns = data.shape
    step = max(1, round((rows * columns * len(data) / 125_000) ** 0.5))
    sample = data[:, :: max(1, -(-slices // 8)), ::step, ::step]
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = (float(q) for q in np.quantile(sample, (0.001, 0.999)))
    return (low, high) if high > low else (low, low + 1.0)
