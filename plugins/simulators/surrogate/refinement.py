"""Further training on the structure at hand, where the referee found the surrogate wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from fib_plugins.simulators.surrogate.counting import count_pixels
from fib_plugins.simulators.surrogate.given import Windows

if TYPE_CHECKING:
    from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
    from fib_plugins.simulators.surrogate.training import Batch, Trainer
    from fibcore import Context, Labels

WINDOWS = 96
STEPS = 300
RATE = 0.25
"""Of the highest learning rate of teaching."""


def refine(
    params: SurrogateParameters,
    trainer: Trainer,
    windows: Windows,
    labels: Labels,
    phases: list[int],
    pixels: np.ndarray,
    wrong: np.ndarray,
    context: Context,
) -> None:
    """Train the network on windows of a structure; two in three where it is wrong.

    Args:
        params: the parameters.
        trainer: the network in training.
        windows: windows of the structure.
        labels: the structure.
        phases: those that occur in it.
        pixels: pixels that the referee checked, (pixel, 3).
        wrong: how wrong each is.
        context: surroundings; its seed determines the counts and the order.
    """
    rng = context.rng_for("refinement")
    weights = wrong / wrong.sum() if wrong.sum() > 0 else np.full(len(wrong), 1.0 / len(wrong))
    offending = pixels[rng.choice(len(pixels), 2 * WINDOWS // 3, p=weights)]
    others = pixels[rng.choice(len(pixels), WINDOWS - len(offending))]
    places = windows.around(np.concatenate([offending, others]))
    counted = count_pixels(
        params,
        labels,
        phases,
        np.concatenate([windows.pixels(place) for place in places]),
        params.referee_electrons,
        context,
    )
    shape = (len(params.kv), len(places), *windows.edges)
    yields, depths = (
        np.ascontiguousarray(part.reshape(shape).swapaxes(0, 1))
        for part in (counted.yields, counted.depths_nm)
    )

    def batches() -> Iterator[Batch]:
        for _ in range(STEPS):
            chosen = rng.choice(len(places), params.batch_size)
            yield windows.batch([places[i] for i in chosen], yields[chosen], depths[chosen])

    trainer.train(
        batches(),
        rng,
        0,
        STEPS,
        lambda done: context.progress(done, STEPS, "steps of refinement"),
        RATE,
    )
