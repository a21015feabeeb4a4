"""Diagnostics of translators: labels that a translation loses, trainings without effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fib_plugins.adapters.translation.validation import (
    bright_and_dark,
    label_keeping,
    some_slices,
)
from fibcore import Context, Images, Labels

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.trained import Trained

CHECKED_SLICES = 16
"""Number of slices whose structure is compared before and after translation."""
IDENTITY_CYCLE_LOSS = 0.02
WINNING_DISCRIMINATOR = 0.1
"""Below these two losses the translator has learned to return its input. The discriminator's loss
is 0.25 if it guesses and 0 if it is always right."""
NO_CLOSER = 0.9
"""A useful translation reduces the distance to less than this share of it."""


def labels_not_kept(
    made: Images, images: Images, labels: Labels | None, context: Context
) -> tuple[str, ...]:
    """Return descriptions of the structure that a translation has lost.

    Args:
        made: the translation.
        images: the images before translation.
        labels: of the images; without them Otsu's threshold separates bright from dark.
        context: surroundings of the step.
    """
    number = min(CHECKED_SLICES, images.shape[0])
    slices = np.linspace(0, images.shape[0] - 1, number).round().astype(int).tolist()
    before = some_slices(images, slices)
    own = bright_and_dark(before) if labels is None else labels.with_data(labels.data[slices])
    _, problems = label_keeping(some_slices(made, slices), own, before, context)
    return problems


def training_warnings(trained: Trained) -> list[str]:
    """Return the reasons why a trained translator may be useless."""
    last = trained.history[-1]
    found = []
    cycle = last.get("cycle_loss", np.inf)
    winning = last["discriminator_loss"] < WINNING_DISCRIMINATOR
    if winning and cycle < IDENTITY_CYCLE_LOSS:
        found.append(
            f"identity trap: the cycle loss is {cycle:.3f} while the discriminators win (loss "
            f"{last['discriminator_loss']:.3f} of 0.25): the translator returns its input and has "
            f"learned nothing. Lower cycle_weight and identity_weight, keep noise at 'measured', "
            f"or raise learning_rate"
        )
    before, after = sum(trained.before.values()), trained.quality.score
    if after > NO_CLOSER * before:
        found.append(
            f"translations are no closer to the target than the source was: the distances of "
            f"metric/domain_gap add up to {after:.3f} after and {before:.3f} before. Train longer, "
            f"or with a larger learning_rate"
        )
    found += [
        f"translations of the best epoch do not keep their labels: {problem}"
        for problem in trained.quality.problems
    ]
    return found
