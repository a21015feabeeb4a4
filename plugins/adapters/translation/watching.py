"""Translations held against what was translated, and trainings against what they were for."""

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
    from fib_plugins.adapters.translation.training import Trained

CHECKED_SLICES = 16
"""Slices of a translated stack whose structure is compared with that before."""
IDENTITY_CYCLE_LOSS = 0.02
WINNING_DISCRIMINATOR = 0.1
"""Below these two losses the translator has found out that changing nothing costs least: the
discriminator's is 0.25 where it cannot tell and 0 where it always can."""
NO_CLOSER = 0.9
"""Share of the distance before that is left after a translation worth the name."""


def labels_not_kept(
    made: Images, images: Images, labels: Labels | None, context: Context
) -> tuple[str, ...]:
    """Return in words what a translation does not show that the images before show.

    Args:
        made: the translation.
        images: the images before.
        labels: what they show; without them Otsu's threshold tells bright from dark.
        context: surroundings of the step.
    """
    number = min(CHECKED_SLICES, images.shape[0])
    slices = np.linspace(0, images.shape[0] - 1, number).round().astype(int).tolist()
    before = some_slices(images, slices)
    if labels is None:
        own = bright_and_dark(before, context)
    else:
        own = labels.with_data(labels.data[slices])
    _, problems = label_keeping(some_slices(made, slices), own, before, context)
    return problems


def doubts_about(trained: Trained) -> list[str]:
    """Return in words why a translator may be worth nothing, though its training ended well."""
    last = trained.history[-1]
    found = []
    cycle = last.get("cycle_loss", np.inf)
    winning = last["discriminator_loss"] < WINNING_DISCRIMINATOR
    if winning and cycle < IDENTITY_CYCLE_LOSS:
        found.append(
            f"identity trap: the cycle loss is {cycle:.3f} while the discriminators win (loss "
            f"{last['discriminator_loss']:.3f} of 0.25): the translator hands its input on and has "
            f"learned nothing. Lower cycle_weight and identity_weight, keep noise at 'measured', "
            f"or raise learning_rate"
        )
    before, after = sum(trained.before.values()), trained.judged.score
    if after > NO_CLOSER * before:
        found.append(
            f"translations are no closer to the target than the source was: the distances of "
            f"metric/domain_gap add up to {after:.3f} after and {before:.3f} before. Train longer, "
            f"or with a larger learning_rate"
        )
    found += [
        f"translations of the best epoch do not keep their labels: {problem}"
        for problem in trained.judged.problems
    ]
    return found
