"""Checks of the inputs of translators: sizes, channels, voltages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fib_plugins.channels import are_same, channels_of, counted, selection, shown
from fib_plugins.training.pairs import memory_to_make
from fibcore import FibError, Source, VolumeSpec

VOXEL_SIZE_TOLERANCE = 0.05
LEAST_PIXELS = 12
"""Shortest edge of slices whose structure can be compared before and after."""
LEAST_SLICES = 4
"""Of fewer slices, none is kept out of training."""


def source_spec(inputs: Mapping[str, Any]) -> tuple[VolumeSpec | None, int]:
    """Return the spec of the input `source` of a fit, and the memory to make its pairs.

    Raises:
        FibError: labels beside a source that has labels of its own.
    """
    source = inputs.get("source")
    if not isinstance(source, Source):
        return source, 0
    if "labels" in inputs:
        raise FibError(
            f"the source is {source.identifier()}: leave the input labels out; its pairs have "
            f"labels of their own"
        )
    forecast = source.forecast(source.main_method, {})
    return forecast.output, memory_to_make(forecast)


def check_pair(source: VolumeSpec, target: VolumeSpec) -> None:
    """Refuse source and target with different numbers of channels."""
    if len(source.kv) != len(target.kv):
        raise FibError(
            f"the source has {counted(source.channels)}, the target {counted(target.channels)}; "
            f"they are translated together: choose the same number of each with "
            f'"kv" and "detector" in the inputs'
        )


def check_patch(what: str, spec: VolumeSpec, patch: int, depth: int) -> None:
    """Refuse slices smaller than a training patch."""
    if min(spec.shape[1:]) < patch:
        multiple = 2**depth
        raise FibError(
            f"the {what} has slices of {spec.shape[1]} x {spec.shape[2]} pixels (y, x), too "
            f"small for a patch of {patch}: use a patch of "
            f"{min(spec.shape[1:]) // multiple * multiple} at most, or larger images"
        )


def check_slices(images: VolumeSpec, depth: int) -> None:
    """Refuse slices too small to be translated and validated."""
    least = max(LEAST_PIXELS, 2 * 2**depth)
    if min(images.shape[1:]) < least:
        raise FibError(
            f"the images have slices of {images.shape[1]} x {images.shape[2]} pixels (y, x); a "
            f"translator of depth {depth} needs {least} x {least} at least: use larger images"
        )


def check_labels(images: VolumeSpec, labels: VolumeSpec | None) -> None:
    """Refuse labels that do not lie on the images."""
    if labels is not None and labels.shape != images.shape:
        raise FibError(
            f"the images have shape {images.shape}, the labels {labels.shape} (z, y, x): they "
            f"must show the same volume; cut both alike, or give the labels that were imaged"
        )


def check_channels(images: VolumeSpec, info: Mapping[str, Any]) -> None:
    """Refuse another number of channels than in training, whose info is that of the model."""
    trained = channels_of(info)
    if len(images.kv) != len(trained):
        raise FibError(
            f"the images have {counted(images.channels)}, but the translator was trained on "
            f"{counted(trained)}: choose the channels with {selection(trained)}, or train another "
            f"one"
        )


def pair_warnings(source: VolumeSpec, target: VolumeSpec) -> list[str]:
    """Return warnings of differences of source and target that may mislead a translator."""
    found = []
    if source.channels != target.channels and not are_same(source.channels, target.channels):
        found.append(
            f"the source shows {shown(source.channels)}, the target {shown(target.channels)}: the "
            f"translator would have to change the shine-through, or one signal into another"
        )
    if not alike(source.voxel_size_nm[1:], target.voxel_size_nm[1:]):
        found.append(
            f"pixels of the source are {list(source.voxel_size_nm[1:])} nm, those of the "
            f"target {list(target.voxel_size_nm[1:])} nm (y, x): the translator will learn "
            f"to change sizes, and labels no longer fit; bring both to one pixel size"
        )
    for what, spec in (("source", source), ("target", target)):
        if spec.shape[0] < LEAST_SLICES:
            found.append(
                f"the {what} has {spec.shape[0]} slice(s): none is kept out of training, so "
                f"the validation score is measured on training slices"
            )
    return found


def image_warnings(images: VolumeSpec, info: Mapping[str, Any]) -> list[str]:
    """Return warnings of differences from the images that a model was trained on."""
    found = []
    if images.channels != channels_of(info):
        found.append(
            f"the translator was trained on {shown(channels_of(info))}, these images are "
            f"{shown(images.channels)}: it may change structure; train one on images of this "
            f"voltage and detector"
        )
    if not alike(images.voxel_size_nm, info["voxel_size_nm"]):
        found.append(
            f"the translator was trained on voxels of {info['voxel_size_nm']} nm, these are "
            f"{list(images.voxel_size_nm)} nm (z, y, x): the blur and noise that it has learned do "
            f"not fit; train one on images of this voxel size"
        )
    return found


def alike(one: object, other: object) -> bool:
    """Return whether two voxel sizes are equal within the tolerance."""
    return bool(np.allclose(one, other, rtol=VOXEL_SIZE_TOLERANCE, atol=0))  # type: ignore[arg-type]
