"""Whether images fit the stack that an instrument was estimated from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fib_plugins.channels import channels_of, shown
from fibcore import Context, Images

VOXEL_SIZE_TOLERANCE = 0.05


def warn_of_differences(info: Mapping[str, Any], images: Images, context: Context) -> None:
    """Warn if images differ in voltage or voxel size from the stack of the estimates.

    Args:
        info: of the instrument's model.
        images: to be recorded.
        context: takes the warnings.
    """
    if info.get("kv") is not None and images.channels != channels_of(info):
        context.log.warning(
            "the instrument was estimated on %s, these images are %s: noise and blur differ; "
            "estimate it from a stack of these channels, in this order",
            shown(channels_of(info)),
            shown(images.channels),
        )
    size = info.get("voxel_size_nm")
    if size is not None and not np.allclose(
        images.voxel_size_nm, size, rtol=VOXEL_SIZE_TOLERANCE, atol=0
    ):
        context.log.warning(
            "the instrument was estimated on voxels of %s nm, these are %s nm (z, y, x): "
            "noise is per pixel; bring the images to the target's voxel size first",
            size,
            list(images.voxel_size_nm),
        )
