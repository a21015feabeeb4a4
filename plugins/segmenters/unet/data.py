"""The data of a training: stacks to train on, stacks to validate on, their grey scale.

Training and validation share no voxel. Of a given stack, validation uses the end along z, and the
first `slices_above` of its slices serve as neighbours only; of labels on a part of a stack it uses
the last labelled slices. With an instrument, both parts are recorded by it and its random variants.
Of a source, validation uses pairs of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.training_data import class_of_phase, classes_of
from fib_plugins.segmenters.unet.instruments import Instruments
from fib_plugins.segmenters.unet.stacks import Endless, Given, HeldStacks, Recordings, Stack, Supply
from fib_plugins.segmenters.unet.start import digest_of, grey_scale_of
from fib_plugins.training.pairs import Pairs, pairs_of
from fib_plugins.training.team import Team
from fib_plugins.unlabelled import UNLABELLED, counts_of_slices, is_partial
from fibcore import Adapter, Context, FibError, Images, Labels, Model, Source

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters


@dataclass(frozen=True)
class Data:
    """The data of a training.

    Attributes:
        example: images and labels with the channels, voxel size and phases of all stacks.
        grey_scale: that of the training images.
        training: stacks to train on.
        validation: stacks to validate on.
        skip: first slices of the validation stacks that serve as neighbours only.
        facts: what identifies the data, as JSON values.
        shares: share of each phase in the labels, ascending by number.
        partial: whether some voxels have no label.
    """

    example: tuple[Images, Labels]
    grey_scale: GreyScale
    training: HeldStacks
    validation: HeldStacks
    skip: int
    facts: Mapping[str, Any]
    shares: list[float]
    partial: bool = False


@contextmanager
def data_of(
    unet: UNetParameters,
    images: Images | Source,
    labels: Labels | None,
    instrument: Adapter | None,
    start: Model | None,
    context: Context,
    team: Team,
) -> Iterator[Data]:
    """Give a block the data of a training.

    Raises:
        FibError: constant or non-finite images, or labels that cannot be learned from.
    """
    if isinstance(images, Source):
        with pairs_of(images, context, team) as pairs:
            yield _endless(unet, pairs, start, context, team)
    else:
        assert labels is not None
        if is_partial(labels):
            yield _partial(unet, images, labels, instrument, start, context, team)
        else:
            yield _given(unet, images, labels, instrument, start, context, team)


def _endless(
    unet: UNetParameters, pairs: Pairs, start: Model | None, context: Context, team: Team
) -> Data:
    """Return the data of a training on a source."""
    source = pairs.source
    number = unet.validation_pairs(source.pairs_per_epoch)
    fixed = pairs.fixed(number)
    scale = _grey_scale(unet, start, _joined([images for images, _ in fixed]))
    facts = {
        "source": dict(source.as_model().params),
        "solid": [_solid(labels) for _, labels in fixed],
        **_facts_of(start),
    }
    return _data(
        fixed[0],
        scale,
        Endless(unet, pairs, scale, fixed[0][1].shape),
        Given([Stack.whole(unet, *pair, scale) for pair in fixed]),
        0,
        classes_of(fixed[0][1].phases),
        facts,
        _shares([labels for _, labels in fixed]),
        context,
        team,
    )


def _given(
    unet: UNetParameters,
    images: Images,
    labels: Labels,
    instrument: Adapter | None,
    start: Model | None,
    context: Context,
    team: Team,
) -> Data:
    """Return the data of a training on one stack, perhaps recorded by an instrument."""
    classes = class_of_phase(labels)
    depth = images.shape[0]
    split = depth - unet.validation_slices(depth)
    parts = {"training": range(split), "validation": range(split, depth)}
    facts: dict[str, Any] = {
        "solid": _solid(labels),
        "instrument": None if instrument is None else instrument.model_dump(mode="json"),
        **_facts_of(start),
    }
    supplies: list[Supply]
    if instrument is None:
        scale = _grey_scale(unet, start, images)
        supplies = [Given([Stack(images, labels, scale, part)]) for part in parts.values()]
    else:
        instruments = Instruments(instrument, unet.instrument_spread, context)
        first = labels.with_data(labels.data[:split])
        recorded = instruments.record(images.with_data(images.data[:, :split]), first)
        scale = _grey_scale(unet, start, recorded)
        supplies = [
            Recordings(unet, Stack(images, labels, scale, part), instruments, purpose, context)
            for purpose, part in parts.items()
        ]
    training, validation = supplies
    example = (images, labels)
    shares = _shares([labels])
    above = unet.reach_above
    return _data(example, scale, training, validation, above, classes, facts, shares, context, team)


def _partial(
    unet: UNetParameters,
    images: Images,
    labels: Labels,
    instrument: Adapter | None,
    start: Model | None,
    context: Context,
    team: Team,
) -> Data:
    """Return the data of a training on labels of a part of a stack.

    Both stacks reach as far beyond their labelled slices as the network sees.

    Raises:
        FibError: an instrument, or labels of a single slice.
    """
    if instrument is not None:
        raise FibError(
            "some voxels have no label (255), but an instrument records whole structures: leave "
            "the instrument out, or give labels of all voxels"
        )
    classes = class_of_phase(labels)
    counts = counts_of_slices(labels)
    labelled = np.flatnonzero(counts.sum(axis=1))
    if len(labelled) < 2:
        raise FibError(
            f"only slice {labelled[0]} has labels, but training needs others for validation: label "
            f"a second slice, or use segmenter/tuned, which validates within slices"
        )
    held_back = max(1, min(len(labelled) - 1, round(unet.validation_fraction * len(labelled))))
    scale = _grey_scale(unet, start, images)

    def supply(purpose: str, own: np.ndarray) -> Supply:
        data = context.empty(f"{purpose}-labels", labels.shape, np.uint8)
        for z, plane in enumerate(labels.data):
            data[z] = plane if z in own else UNLABELLED
        return Given([Stack(images, labels.with_data(data), scale, around(unet, own, len(data)))])

    facts = {"solid": _solid(labels), "labelled": counts.tolist(), **_facts_of(start)}
    return _data(
        (images, labels),
        scale,
        supply("training", labelled[:-held_back]),
        supply("validation", labelled[-held_back:]),
        0,
        classes,
        facts,
        _shares([labels]),
        context,
        team,
        partial=True,
    )


def around(unet: UNetParameters, slices: np.ndarray, depth: int) -> range:
    """Return the slices that a network must see to learn from some, of `depth`."""
    if unet.flat:
        first, end = slices[0] + unet.slice_offsets[0], slices[-1] + unet.slice_offsets[-1] + 1
    else:
        first, end = slices[0] - unet.patch_depth + 1, slices[-1] + unet.patch_depth
    return range(max(0, int(first)), min(depth, int(end)))


def _data(
    example: tuple[Images, Labels],
    grey_scale: GreyScale,
    training: Supply,
    validation: Supply,
    skip: int,
    classes: np.ndarray,
    facts: Mapping[str, Any],
    shares: list[float],
    context: Context,
    team: Team,
    partial: bool = False,
) -> Data:
    channels, device = len(example[0].kv), team.fabric.device

    def held(supply: Supply, purpose: str) -> HeldStacks:
        def empty(name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
            return context.empty(f"{purpose}-{name}", shape, dtype)

        return HeldStacks(supply, channels, classes, device, empty)

    facts = {
        **facts,
        "shape": example[0].data.shape,
        "phases": sorted(example[1].phases),
        "grey_values": [grey_scale.centre.tolist(), grey_scale.scale.tolist()],
    }
    of_training, of_validation = held(training, "training"), held(validation, "validation")
    return Data(example, grey_scale, of_training, of_validation, skip, facts, shares, partial)


def _facts_of(start: Model | None) -> dict[str, Any]:
    return {} if start is None else {"start": digest_of(start)}


def _grey_scale(unet: UNetParameters, start: Model | None, images: Images) -> GreyScale:
    if start is not None and unet.normalization == "training":
        return grey_scale_of(start)
    return GreyScale.of(images, per_slice=unet.normalization == "slice")


def _joined(stacks: list[Images]) -> Images:
    """Return one stack with the slices of several."""
    return stacks[0].with_data(np.concatenate([stack.data for stack in stacks], axis=1))


def _shares(stacks: list[Labels]) -> list[float]:
    """Return the share of each phase of some labels, ascending by number."""
    planes = (plane for labels in stacks for plane in labels.data)
    counts = sum(np.bincount(plane.ravel(), minlength=256) for plane in planes)
    of_phases = np.asarray(counts)[sorted(stacks[0].phases)].astype(float)
    return [float(share) for share in of_phases / of_phases.sum()]


def _solid(labels: Labels) -> list[int]:
    """Return the number of solid voxels in each slice."""
    return [int(np.count_nonzero(plane)) for plane in labels.data]
