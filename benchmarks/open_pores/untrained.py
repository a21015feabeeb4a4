"""Segmenters without a network: thresholds, the milled face, published methods, a random forest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter

from fibcore import Context, FibError, Images, Labels

from .structures import plugin

LABELLED = (2, 8, 13)
"""Slices of the twin whose labels the random forest is given; no way is scored on them."""
BLUR_PX = 1.5
"""Standard deviation of the blur before Otsu's threshold."""
BSE, BOTH = ("bse",), ("bse", "se")


@dataclass(frozen=True)
class Untrained:
    """A segmenter, the channels it sees, and whether it counts as an old way."""

    caption: str
    segmenter: str
    detectors: tuple[str, ...] = BSE
    params: dict[str, Any] = field(default_factory=dict)
    old: bool = False

    def labels(self, stack: Images, truth: np.ndarray, seed: int) -> np.ndarray:
        """Return what it takes for active material, axes (z, y, x).

        Args:
            stack: the twin, with all detectors.
            truth: active material, of which a random forest is given a few slices.
            seed: of the random forest.

        Raises:
            FibError: the segmenter refuses the stack.
        """
        stack = stack.select(detectors=self.detectors)
        segmenter, context = plugin(self.segmenter, **self.params), Context(seed)
        if self.segmenter == "segmenter/random_forest":
            slices = list(LABELLED)
            shown = stack.with_data(np.ascontiguousarray(stack.data[:, slices]))
            known = Labels(truth[slices].astype(np.uint8), stack.voxel_size_nm)
            segmenter.fit(shown, known, context=context)
        elif self.params.get("method") == "otsu":
            blur = (0, 0, BLUR_PX, BLUR_PX)
            stack = stack.with_data(gaussian_filter(stack.data.astype(np.float32), blur))
        return np.asarray(segmenter.predict(stack, context=context).data == 1)


UNTRAINED = {
    "otsu": Untrained(
        "Otsu on blurred BSE", "segmenter/threshold", BSE, {"method": "otsu"}, old=True
    ),
    "mode": Untrained(
        "below the mode of the milled face, BSE", "segmenter/threshold", BSE, {"method": "mode"}
    ),
    "face_bse": Untrained("milled face, BSE", "segmenter/milled_face"),
    "face": Untrained("milled face, BSE and SE", "segmenter/milled_face", BOTH),
    "backpropagation": Untrained(
        "local threshold backpropagation, BSE", "segmenter/local_threshold_backpropagation"
    ),
    "pore_back": Untrained("pore-back correction, BSE", "segmenter/pore_back"),
    "optical_flow": Untrained("optical flow, BSE", "segmenter/optical_flow"),
    "forest": Untrained(
        f"random forest, {len(LABELLED)} labelled slices, BSE and SE",
        "segmenter/random_forest",
        BOTH,
    ),
}


def untrained_errors(stack: Images, truth: np.ndarray, seed: int) -> Iterator[tuple[str, float]]:
    """Yield name and MP in percent of each; without those that find no milled face."""
    for name, each in UNTRAINED.items():
        try:
            found = each.labels(stack, truth, seed)
        except FibError as error:
            if "milled face" not in str(error):
                raise
            continue
        yield name, misplaced(found, truth)


def misplaced(found: np.ndarray, truth: np.ndarray) -> float:
    """Return misplaced pixels in percent, without the slices whose labels are given."""
    wrong = np.delete(found != truth, LABELLED, axis=0)
    return 100.0 * float(wrong.mean())
