"""Variation from slice to slice: random walks that are reset now and then, and bad slices.

The random numbers of a slice come from its own stream; walks sum them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.hidden_instrument.parameters import TwinParameters
from fib_plugins.adapters.instrument_base.recording import slice_table
from fibcore import Context, Images, Table


@dataclass(frozen=True)
class SliceVariation:
    """Scalars of each slice.

    Attributes:
        brightness: added to the level, axes (channel, slice), fractions of full scale.
        contrast: factor on the contrast, axes (channel, slice).
        defocus_nm: in the middle of the face.
        dimming: fraction of the signal that is lost.
        shadow_phases: phases of the shadow's variation at the first slice, radians.
    """

    brightness: np.ndarray
    contrast: np.ndarray
    defocus_nm: np.ndarray
    dimming: np.ndarray
    shadow_phases: tuple[float, float]

    @classmethod
    def draw(
        cls, settings: TwinParameters, channels: int, drawn: Sequence[Context]
    ) -> SliceVariation:
        """Draw the variation of a stack, that of each slice from a context of its own."""
        depth = len(drawn)
        steps = np.empty((depth, 2 * channels + 1))
        readjusted = np.empty(depth, bool)
        defocus, dimming = np.zeros(depth), np.zeros(depth)
        for z in range(depth):
            rng = drawn[z].rng_for("twin slice", z)
            luck, kind, amount, sign = rng.random(4)
            readjusted[z] = rng.random() * settings.readjust_slices < 1
            steps[z] = rng.standard_normal(steps.shape[1])
            if luck < settings.bad_slices:
                if kind < 0.5:
                    defocus[z] = (
                        settings.bad_defocus_nm * (0.5 + amount) * (1 if sign < 0.5 else -1)
                    )
                else:
                    dimming[z] = settings.bad_dimming * (0.5 + amount)
        walks = restarted_walks(steps, readjusted)
        phases = drawn[0].rng_for("twin shadow").uniform(0.0, 2.0 * np.pi, 2)
        return cls(
            brightness=settings.brightness_step * walks[:, :channels].T,
            contrast=np.exp(settings.contrast_step * walks[:, channels : 2 * channels].T),
            defocus_nm=settings.defocus_nm + settings.defocus_step_nm * walks[:, -1] + defocus,
            dimming=dimming,
            shadow_phases=(float(phases[0]), float(phases[1])),
        )

    def table(self, images: Images) -> Table:
        """Return the variation as columns, one row per slice."""
        columns = {
            "slice": np.arange(len(self.dimming)),
            "defocus_nm": self.defocus_nm,
            "dimming": self.dimming,
        }
        return slice_table(images, columns, self.brightness, self.contrast)


def restarted_walks(steps: np.ndarray, restarts: np.ndarray) -> np.ndarray:
    """Return cumulative sums of steps, axes (slice, walk), reset to zero at restarts.

    The first slice is a restart, too.
    """
    walks = np.zeros_like(steps)
    for z in range(1, len(steps)):
        if not restarts[z]:
            walks[z] = walks[z - 1] + steps[z]
    return walks
