"""Solid fraction and ligament diameter of a sample, by the first labels of the pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fib_plugins.reconstruct.finding import plugin, quiet_context
from fibcore import FibError, Images, Labels
from fibcore.errors import UsageError

MEASURED_PX = 256
"""Diameters are measured in the middle of slices, in at most so many pixels along an edge."""
LEAST_SHARE, MOST_SHARE = 0.01, 0.99
"""Solid fractions beyond these are those of a single phase."""


@dataclass(frozen=True)
class FirstStructure:
    """Figures of the first labels, which shine-through and noise falsify.

    Attributes:
        solid_fraction: 0 to 1.
        ligament_nm: mean ligament diameter.
    """

    solid_fraction: float
    ligament_nm: float


def first_structure(images: Images, identifier: str, params: dict[str, Any]) -> FirstStructure:
    """Segment a prepared sample as the pipeline's first labels, and measure it.

    Args:
        images: the sample.
        identifier: segmenter of the first labels.
        params: its parameters.

    Raises:
        UsageError: the segmenter finds nothing, or a single phase.
    """
    segmenter: Any = plugin(identifier, **params)
    try:
        labels: Labels = segmenter.predict(images, context=quiet_context())
    except FibError as error:
        raise UsageError(f"no first labels by {identifier}: {error}") from None
    parts = []
    for size in labels.shape[1:]:
        kept = min(size, MEASURED_PX)
        start = (size - kept) // 2
        parts.append(slice(start, start + kept))
    middle = labels.with_data(np.ascontiguousarray(labels.data[:, parts[0], parts[1]]))
    share = float(middle.solid.mean())
    if not LEAST_SHARE <= share <= MOST_SHARE:
        phase = "solid" if share > 0.5 else "pores"
        raise UsageError(
            f"{100 * share:.3g} % of the sample is solid by {identifier}: it shows {phase} alone. "
            f"Choose a part of the stack that shows both, or check the images"
        )
    metric: Any = plugin("metric/morphology")
    row = metric.measure(middle, context=quiet_context()).rows()[0]
    return FirstStructure(share, float(row["mean_ligament_diameter_nm"]))
