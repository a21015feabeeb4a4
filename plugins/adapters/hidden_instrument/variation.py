"""Variation from slice to slice: random walks that are reset now and then, and bad slices.

The random numbers of a slice come from its own stream; walks sum them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.hidden_instrument.geometry import Geometry
from fib_plugins.adapters.hidden_instrument.parameters import TwinParameters
from fib_plugins.adapters.instrument_base.recording import slice_table
from fibcore import Context, Images, Table
from fibcore.roles import Curve, Flag, Role


@dataclass(frozen=True)
class SliceVariation:
    """Scalars of each slice.

    Attributes:
        brightness: added to the level, axes (channel, slice), fractions of full scale.
        contrast: factor on the contrast, axes (channel, slice).
        defocus_nm: in the middle of the face.
        dimming: fraction of the signal that is lost.
        bad: whether the slice is out of focus or dim.
        shadow_phases: phases of the shadow's variation at the first slice, radians.
    """

    brightness: np.ndarray
    contrast: np.ndarray
    defocus_nm: np.ndarray
    dimming: np.ndarray
    bad: np.ndarray
    shadow_phases: tuple[float, float]

    @classmethod
    def draw(
        cls, settings: TwinParameters, channels: int, drawn: Sequence[Context]
    ) -> SliceVariation:
        """Draw the variation of a stack, that of each slice from a context of its own."""
        depth = len(drawn)
        steps = np.empty((depth, 2 * channels + 1))
        readjusted, bad = np.empty(depth, bool), np.zeros(depth, bool)
        defocus, dimming = np.zeros(depth), np.zeros(depth)
        for z in range(depth):
            rng = drawn[z].rng_for("twin slice", z)
            luck, kind, amount, sign = rng.random(4)
            readjusted[z] = rng.random() * settings.readjust_slices < 1
            steps[z] = rng.standard_normal(steps.shape[1])
            bad[z] = luck < settings.bad_slices
            if bad[z]:
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
            bad=bad,
            shadow_phases=(float(phases[0]), float(phases[1])),
        )

    def table(self, images: Images, geometry: Geometry | None = None) -> Table:
        """Return the variation as columns, one row per slice; that of a raw recording is longer."""
        columns = {
            "slice": np.arange(len(self.dimming)),
            "defocus_nm": self.defocus_nm,
            "dimming": self.dimming,
        }
        roles: dict[str, Role] = {}
        if geometry is not None:
            columns |= {
                "position_nm": geometry.position_nm,
                "thickness_nm": geometry.thickness_nm,
                "shift_y_px": geometry.shift[:, 0],
                "shift_x_px": geometry.shift[:, 1],
                "jump": geometry.jump,
                "repeated": geometry.repeated,
                "lost": geometry.lost_from < 1,
                "bad": self.bad,
            }
            roles = {f"shift_{axis}_px": Curve("shift_px", along=axis) for axis in "yx"}
            roles |= dict.fromkeys(("jump", "repeated", "lost", "bad"), Flag())
        return slice_table(images, columns, self.brightness, self.contrast, roles)


def restarted_walks(steps: np.ndarray, restarts: np.ndarray) -> np.ndarray:
    """Return cumulative sums of steps, axes (slice, walk), reset to zero at restarts.

    The first slice is a restart, too.
    """
    walks = np.zeros_like(steps)
    for z in range(1, len(steps)):
        if not restarts[z]:
            walks[z] = walks[z - 1] + steps[z]
    return walks
