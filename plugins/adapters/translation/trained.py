"""The result of the training of a translator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fib_plugins.adapters.translation.grey_range import GreyRange
from fib_plugins.adapters.translation.validation import Quality
from fibcore import VolumeSpec


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    Attributes:
        weights: of the network that translates, after the best epoch.
        history: one row per epoch.
        best_epoch: the epoch with the best validation score.
        source: spec of the source's stacks.
        source_range: grey values of the source that are -1 and 1 in the network's input.
        target_range: grey values of the target that are -1 and 1 in its output.
        samples: of each epoch, source, translation and target side by side; axes (epoch, y, x),
            0 to 1.
        before: distances of the source from the target before translation.
        quality: that of the best epoch's translations.
    """

    weights: dict[str, np.ndarray]
    history: list[dict[str, Any]]
    best_epoch: int
    source: VolumeSpec
    source_range: GreyRange
    target_range: GreyRange
    samples: np.ndarray
    before: dict[str, float]
    quality: Quality
