"""What is found in a stack: levels of each channel, slices that do not fit in, streaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fib_plugins.correctors.level.estimation import ChannelLevels, Wanted, channel_levels
from fib_plugins.correctors.level.outliers import Outliers
from fib_plugins.correctors.level.reduced import Reduced
from fib_plugins.correctors.level.streaks import Streaks
from fibcore import Context, FibError, Images

SCALE = ("middle", "black", "span")
FLAGS = ("bad", "dim", "repeated")


@dataclass(frozen=True)
class Findings:
    """What a stack is corrected by.

    Attributes:
        levels: of each channel.
        outliers: slices that do not fit in.
        sharpness: axes (channel, slice).
    """

    levels: tuple[ChannelLevels, ...]
    outliers: Outliers
    sharpness: np.ndarray

    @classmethod
    def of(
        cls, images: Images, wanted: Wanted, with_streaks: bool, context: Context
    ) -> tuple[Findings, tuple[Streaks, ...]]:
        """Examine a stack.

        Raises:
            FibError: constant images, values that are not finite, no slice that is usable.
        """
        reduced = Reduced(images, with_streaks, context)
        outliers = reduced.features.outliers()
        if outliers.bad.all():
            raise FibError(
                "the images have the same grey value everywhere, or all slices are the same: there "
                "is nothing to compare slices by. Check the files"
            )
        steady = outliers.steady if outliers.steady.any() else ~outliers.bad
        levels = tuple(
            channel_levels(data, steady, wanted, name, context)
            for name, data in zip(images.names, reduced.data, strict=True)
        )
        streaks = tuple(Streaks(each, ~outliers.bad) for each in reduced.offsets)
        return cls(levels, outliers, reduced.features.sharpness), streaks

    def weights(self) -> dict[str, np.ndarray]:
        """Return the arrays of a model."""
        return {
            "scale": np.array([[getattr(each, name) for name in SCALE] for each in self.levels]),
            "brightness": np.stack([each.brightness for each in self.levels]),
            "contrast": np.stack([each.contrast for each in self.levels]),
            "shading": np.stack([each.shading for each in self.levels]),
            "sharpness": self.sharpness,
            "flags": np.stack([getattr(self.outliers, name) for name in FLAGS]).astype(np.uint8),
        }

    @classmethod
    def from_weights(cls, weights: Mapping[str, np.ndarray]) -> Findings:
        """Return what a model holds."""
        levels = tuple(
            ChannelLevels(
                float(scale[0]), float(scale[1]), float(scale[2]), brightness, contrast, shading
            )
            for scale, brightness, contrast, shading in zip(
                weights["scale"],
                weights["brightness"],
                weights["contrast"],
                weights["shading"],
                strict=True,
            )
        )
        bad, dim, repeated = weights["flags"].astype(bool)
        return cls(levels, Outliers(bad, dim, repeated), weights["sharpness"])


def streaks_of(images: Images, outliers: Outliers, context: Context) -> tuple[Streaks, ...]:
    """Return the streaks of a stack whose levels are known."""
    reduced = Reduced(images, True, context)
    return tuple(Streaks(each, ~outliers.bad) for each in reduced.offsets)
