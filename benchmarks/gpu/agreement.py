"""Comparison of the results of a GPU with those of a CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fibcore import Context

OTHER_FATES = 0.02
"""Electrons whose trajectory may differ on a GPU, as a share of those backscattered: exp and log
differ there in the last bit, and the rest of the trajectory depends on it."""

OTHER_LOSSES = 0.02
"""Allowed relative difference of losses. A GPU rounds the factors of convolutions to 10 bits
(TF32), even if 32 bits are requested."""


def same_fates(one: ArrayLike, other: ArrayLike) -> tuple[str, bool]:
    """Compare counts from the same random numbers; return a text and whether they agree."""
    differing = int(np.abs(np.subtract(one, other)).sum())
    counted = int(np.sum(other))
    share = differing / max(1, counted)
    words = f"same random numbers: {100 * share:.2g} % of {counted:,} counts differ"
    return words, share < OTHER_FATES


def noise_alone(one: ArrayLike, other: ArrayLike, electrons: int) -> tuple[str, bool]:
    """Return a text, and whether counts differ by counting noise alone.

    Args:
        one: counts of each pixel.
        other: likewise, from other random numbers.
        electrons: how many were sent into each pixel.
    """
    yields = np.asarray(one) / electrons, np.asarray(other) / electrons
    both = 0.5 * (yields[0] + yields[1])
    noise = np.sqrt(np.maximum(2 * both * (1 - both), 1 / electrons) / electrons)
    deviation = (yields[0] - yields[1]) / noise
    mean, spread = float(deviation.mean()), float(np.sqrt(np.mean(deviation**2)))
    number = deviation.size
    words = f"in counting noise: mean {mean:+.3f}, rms {spread:.3f}, {number:,} pixels"
    return words, abs(mean) < 4 / number**0.5 and spread < 1 + 4 / (2 * number) ** 0.5


def same_losses(device: str, train: Callable[[Context], Any]) -> tuple[str, bool]:
    """Train on a device and on the CPU; return a text and whether the losses agree.

    Args:
        device: where PyTorch computes.
        train: trains for one epoch of few steps, in 32 bits, and keeps its `history`; all columns
            whose name ends in ``loss`` count.
    """
    rows = []
    for where in (device, "cpu"):
        context = Context(0, device=where)
        train(context)
        rows.append(context.kept["history"].rows()[0])
    made, expected = rows
    off = {
        name: abs(made[name] - value) / abs(value)
        for name, value in expected.items()
        if name.endswith("loss")
    }
    worst = max(off, key=off.__getitem__)
    words = f"first losses in 32 bits differ by at most {100 * off[worst]:.2g} % ({worst})"
    return words, off[worst] < OTHER_LOSSES
