"""The stacks that a translator learns to translate: one, or the pairs of a source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fib_plugins.adapters.translation.validation import held_out
from fib_plugins.training.pairs import pairs_of
from fibcore import Context, Images, Labels, Source

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.parameters import TranslationParameters
    from fib_plugins.training.team import Team


@dataclass(frozen=True)
class SourceStacks:
    """The source of a training.

    Attributes:
        images: a stack whose grey values and noise are measured, and that validation translates.
        labels: its labels, if known.
        depth: slices from this one on are not trained on.
        shown: slices of `images` that validation translates.
        of_epoch: returns the stacks that an epoch (from 1) trains on.
        count: number of these stacks.
        facts: what identifies the source beyond `images`, as JSON values.
    """

    images: Images
    labels: Labels | None
    depth: int
    shown: list[int]
    of_epoch: Callable[[int], list[Images]]
    count: int
    facts: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def source_stacks(
    params: TranslationParameters,
    source: Images | Source,
    labels: Labels | None,
    context: Context,
    team: Team,
) -> Iterator[SourceStacks]:
    """Give a block the source of a training.

    Of one stack, the last slices are kept out of training. Of a source, validation uses a pair of
    its own, and every epoch trains on new ones.
    """
    wanted = params.validation_slices
    if isinstance(source, Source):
        with pairs_of(source, context, team) as pairs:
            ((images, own),) = pairs.fixed(1)
            number = images.shape[0]
            yield SourceStacks(
                images,
                own,
                number,
                spread_slices(0, number, wanted),
                lambda epoch: [each for each, _ in pairs.of_epoch(epoch, params.epochs)],
                source.pairs_per_epoch,
                {"source": dict(source.as_model().params)},
            )
    else:
        number = source.shape[0]
        depth = number - held_out(number, wanted)
        shown = validation_slices(number, depth, wanted)
        yield SourceStacks(source, labels, depth, shown, lambda epoch: [source], 1)


def validation_slices(number: int, depth: int, wanted: int) -> list[int]:
    """Return the slices kept out of training, or some of those trained on if none are."""
    return spread_slices(depth if depth < number else 0, number, wanted)


def spread_slices(first: int, number: int, wanted: int) -> list[int]:
    """Return at most so many slices, evenly spread from the first one to the last."""
    return np.unique(np.linspace(first, number - 1, wanted).round().astype(int)).tolist()
