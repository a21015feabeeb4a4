"""What a training and an application of the U-Net make and need; checks before they run."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from fib_plugins.segmenters.training_data import TrainingData, check_same_volume
from fib_plugins.segmenters.unet.parameters import INFERENCE_BYTES, TRAINING_BYTES
from fib_plugins.segmenters.unet.start import UNET, check_start
from fib_plugins.segmenters.unet.tiles import SLICES, memory
from fib_plugins.training.pairs import memory_to_make
from fibcore import FibError, Model, Source, VolumeSpec
from fibcore.context import held_bytes
from fibcore.contracts import slots
from fibcore.plugin import Forecast

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters


def forecast_fit(unet: UNetParameters, inputs: Mapping[str, Any]) -> Forecast:
    """Return the forecast of a training; see `Plugin.forecast`.

    Raises:
        FibError: stacks too small for the patch, inputs that do not fit or are missing.
    """
    images, labels = inputs["images"], inputs.get("labels")
    instrument = inputs.get("instrument")
    activations = TRAINING_BYTES * unet.base_channels * unet.voxels_per_batch
    if isinstance(images, Source):
        return _endless(unet, images, inputs, activations)
    if "labels" not in inputs:
        raise FibError(
            "images need labels: give the structure that they show as the input labels, or a "
            "source in place of the images"
        )
    if labels is not None:
        check_same_volume(images.shape, labels.shape)
    check_size(unet, images.shape)
    _check_start(unet, inputs, images, labels)
    recordings, recording = 1, 0
    if instrument is not None:
        recordings = unet.instrument_variants
        taken = slots(type(instrument), instrument.main_method)
        recorded = {"images": images, "labels": labels}
        recorded = {name: spec for name, spec in recorded.items() if name in taken}
        forecast = instrument.forecast(instrument.main_method, recorded)
        recording = forecast.memory_bytes
    voxels = int(np.prod(images.shape))  # those of large stacks are in files
    stack = held_bytes(4 * voxels * len(images.kv) * recordings) + held_bytes(voxels)
    # Each process has a stack and records it, but no more than its share of a batch.
    needed = max(activations, unet.devices * recording) + unet.devices * stack
    return Forecast(memory_bytes=needed, model=_model(unet, images, labels))


def _endless(
    unet: UNetParameters, source: Source, inputs: Mapping[str, Any], activations: int
) -> Forecast:
    """Return the forecast of a training on a source."""
    for name, advice in (
        ("labels", "its pairs have labels of their own"),
        ("instrument", "give the instrument to the source, which records its pairs"),
    ):
        if name in inputs:
            raise FibError(
                f"the images come from {source.identifier()}: leave the input {name} out; {advice}"
            )
    forecast = source.forecast(source.main_method, {})
    images, labels = forecast.output, forecast.kept.get("labels")
    _check_start(unet, inputs, images, labels)
    making = memory_to_make(forecast)
    if images is None:
        return Forecast(memory_bytes=activations + making)
    check_size(unet, images.shape, held_back=0)
    held = source.pairs_per_epoch + unet.validation_pairs(source.pairs_per_epoch)
    pair = int(np.prod(images.shape)) * (4 * len(images.kv) + 1)
    # The next pairs are made while the network learns.
    needed = activations + making + unet.devices * held * pair
    return Forecast(memory_bytes=needed, model=_model(unet, images, labels))


def _check_start(
    unet: UNetParameters,
    inputs: Mapping[str, Any],
    images: VolumeSpec | None,
    labels: VolumeSpec | None,
) -> None:
    start = inputs.get("start")
    if start is not None:
        check_start(unet, start, images, {} if labels is None else labels.phases)


def _model(unet: UNetParameters, images: VolumeSpec, labels: VolumeSpec | None) -> Model | None:
    """Return a model for forecasts, if the phases are known before the run."""
    info = TrainingData.known_before_run(images, labels)
    if info is None:
        return None
    return Model(UNET, unet.model_dump(mode="json"), info=info)


def inference_memory(unet: UNetParameters, images: VolumeSpec) -> int:
    """Return the bytes that inference needs on a CPU."""
    depth, *shape = images.shape
    cores = os.cpu_count() or 1
    if unet.exact:
        features = (unet.base_channels, 2 if unet.precision == "bf16" else 4)
        shown = len(unet.slice_offsets) * len(images.kv)
        each = memory((shape[0], shape[1]), unet.depth, features, shown)
        return each * min(cores, math.ceil(depth / SLICES))
    height, width = (min(unet.window, n) for n in shape)
    window = height * width * (1 if unet.flat else unet.patch_depth)
    activations = INFERENCE_BYTES * unet.base_channels * max(window, unet.voxels_per_batch)
    return activations * (max(1, cores // unet.cpu_threads) if unet.flat else 1)


def check_size(
    unet: UNetParameters, shape: tuple[int, int, int], held_back: int | None = None
) -> None:
    """Refuse a structure too small for a patch beside the slices held back for validation.

    Args:
        unet: the parameters.
        shape: of the structure, axes (z, y, x).
        held_back: slices for validation; None: as the parameters have it.

    Raises:
        FibError: it is too small.
    """
    depth, height, width = shape
    if min(height, width) < unet.patch:
        raise FibError(
            f"the structure has {height} x {width} pixels (y, x), too small for a patch of "
            f"{unet.patch}: use a patch of at most {min(height, width)} that can be halved "
            f"{unet.depth} times, or a larger structure"
        )
    if held_back is None:
        held_back = unet.validation_slices(depth)
    needed = 1 if unet.flat else unet.patch_depth
    if depth - held_back < needed:
        advice = "fewer slices_above" if unet.dimensions == "2.5d" else "a smaller patch_depth"
        raise FibError(
            f"the structure has {depth} slices, of which validation takes {held_back}; "
            f"training needs {needed} more: use a structure with at least "
            f"{held_back + needed} slices, a smaller validation_fraction, or {advice}"
        )
