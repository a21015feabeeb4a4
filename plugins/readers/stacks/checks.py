"""Checks images after reading: unusable images are rejected, unusual ones cause warnings."""

from __future__ import annotations

import numpy as np

from fib_plugins.readers.stacks.stack import Stack
from fib_plugins.readers.stacks.watch import Watch
from fibcore.context import Context
from fibcore.errors import FibError


def check_images(data: np.ndarray, stack: Stack, context: Context) -> None:
    """Reject images with NaN or infinite values, or with a channel of one value only.

    Warn of slices that are repeated, empty or outliers, and of borders of one value.

    Args:
        data: axes (channel, z, y, x).
        stack: the stack that they were read from.
        context: context for progress and warnings.

    Raises:
        FibError: reports the number of such values and the first slice.
    """
    name = stack.headers[0].path.name
    start = (stack.box[0].start, stack.box[1].start, stack.box[2].start)
    watches = [Watch((data.shape[2], data.shape[3]), start) for _ in data]
    constant = [True] * len(data)
    broken, first, at_edge = 0, -1, 0
    floating = data.dtype.kind == "f"
    for z in context.track(range(data.shape[1]), "checking slices"):
        for channel, volume in enumerate(data):
            plane = volume[z]
            if constant[channel]:
                constant[channel] = bool(np.all(plane == volume[0, 0, 0]))
            finite = np.isfinite(plane) if floating else None
            if finite is not None and not finite.all():
                first = z if first < 0 else first
                broken += plane.size - int(np.count_nonzero(finite))
                at_edge += not (finite[0].any() and finite[-1].any())
                at_edge += not (finite[:, 0].any() and finite[:, -1].any())
            elif not broken:
                watches[channel].see(plane)
    if broken:
        border = ", many of them in a border" if at_edge else ""
        raise FibError(
            f"{name}: {broken} of {data.size} voxels are NaN or infinite, the first in slice "
            f"{start[0] + first}{border}; replace them, or leave them out with region"
        )
    if any(constant):
        channel = constant.index(True)
        raise FibError(
            f"{name}: every voxel of channel {channel} has the value {data[channel, 0, 0, 0]:g}: "
            f"there is nothing to see; check the file, the channel and the region"
        )
    for channel, watch in enumerate(watches):
        where = f", channel {channel}" if len(data) > 1 else ""
        for remark in watch.remarks():
            context.log.warning("%s%s: %s", name, where, remark)
