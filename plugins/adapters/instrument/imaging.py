"""The instrument at work: a stack of ideal images, imaged slice by slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from fib_plugins.adapters.instrument import effects
from fib_plugins.adapters.instrument.exposure import Exposure
from fib_plugins.adapters.instrument.parameters import AcquisitionParameters
from fib_plugins.adapters.instrument.render_look import LookRenderer
from fib_plugins.adapters.instrument.variation import SliceVariation, curtain, shading
from fib_plugins.adapters.instrument_base.recording import (
    BYTES_PER_PIXEL,
    each_on,
    each_slice,
    recorded_dtype,
)
from fib_plugins.adapters.instrument_base.signal_scale import SignalScale
from fibcore import Context, Images, Labels

LOOK_BYTES_PER_PIXEL = 110
"""Memory of a thread per pixel of a slice with a look: random fields, ranks, distances."""


def acquire(
    settings: AcquisitionParameters, images: Images, context: Context, labels: Labels | None = None
) -> tuple[Images, SliceVariation]:
    """Return the images as the instrument records them, and the table of slices.

    With a look, the images show it, and the labels are needed.
    """
    depth, channels = images.shape[0], len(images.data)
    scales = SignalScale.of(settings, images)
    exposure = Exposure.of(settings, images, scales)
    clean = settings.is_clean
    drawn = each_on(images, context)
    variation = SliceVariation.draw(settings, channels, drawn)
    renderer = None
    if settings.look is not None and labels is not None:
        renderer = LookRenderer.of(settings, images, labels, scales, drawn)
    recorded = context.empty("acquisition", images.data.shape, recorded_dtype(settings.bits))

    def work(z: int) -> None:
        for channel in range(channels):
            if clean:  # conversion to a signal and back would change the last bit
                recorded[channel, z] = images.data[channel, z]
                continue
            ideal = _ideal(images, channel, float(variation.position[z]), scales[channel])
            ideal = _moved(ideal, images, variation, z)
            if renderer is None or labels is None:
                signal = _of_sample(settings, ideal, images, z, drawn)
                signal = _blurred(settings, signal, images, channel)
            else:
                ideal = _blurred(settings, ideal, images, channel)
                face = renderer.faces(_shown(labels, variation, z))
                level, amount = renderer.levels(z, channel, ideal, face)
                stripes = partial(renderer.stripes, channel, amount)
                level = _of_sample(settings, level, images, z, drawn, stripes)
                offset, gain = exposure.offset[channel], exposure.gain[channel]
                signal = ((level - offset) / gain).astype(np.float32)
            level = _detector(settings, signal, exposure, variation, z, channel, context)
            if settings.bits is None:
                recorded[channel, z] = scales[channel].grey(level)
            else:
                recorded[channel, z] = effects.quantised(level, settings.bits)

    each = BYTES_PER_PIXEL if renderer is None else LOOK_BYTES_PER_PIXEL
    each *= images.shape[1] * images.shape[2]
    done = each_slice(work, range(depth), context.threads, each)
    for _ in context.track(done, "slices acquired", depth):
        pass
    return images.with_data(recorded), variation


def shown_labels(labels: Labels, variation: SliceVariation, context: Context) -> Labels:
    """Return the phase that each recorded pixel shows, that of the nearest voxel.

    Slices are mirrored at their borders, as the images are.
    """
    shown = context.empty("acquisition_labels", labels.shape, np.uint8)
    for z in range(labels.shape[0]):
        shown[z] = _shown(labels, variation, z)
    return labels.with_data(shown)


def _shown(labels: Labels, variation: SliceVariation, z: int) -> np.ndarray:
    """Return the phases that a recorded slice shows, axes (y, x)."""
    plane = labels.data[int(np.rint(variation.position[z]))]
    away = variation.shift_nm[z] / labels.voxel_size_nm[1:]
    rows, columns = (
        _mirrored(np.rint(np.arange(size) - distance).astype(int), size)
        for size, distance in zip(labels.shape[1:], away, strict=True)
    )
    return np.asarray(plane)[rows][:, columns]


def _mirrored(index: np.ndarray, size: int) -> np.ndarray:
    """Return indices within 0 to size - 1; those beyond the borders are mirrored, edges twice."""
    index = index % (2 * size)
    return np.minimum(index, 2 * size - 1 - index)


def _ideal(images: Images, channel: int, position: float, scale: SignalScale) -> np.ndarray:
    """Return the signal of the face at a position between slices, by linear interpolation."""
    above = int(position)
    signal = scale.slice_of(images, channel, above)
    share = np.float32(position - above)
    if share > 0:
        signal += share * (scale.slice_of(images, channel, above + 1) - signal)
    return signal


def _moved(signal: np.ndarray, images: Images, variation: SliceVariation, z: int) -> np.ndarray:
    """Return the signal, displaced by lateral drift."""
    _, y_nm, x_nm = images.voxel_size_nm
    shift_y, shift_x = variation.shift_nm[z]
    if shift_y or shift_x:
        return effects.shifted(signal, (shift_y / y_nm, shift_x / x_nm))
    return signal


def _blurred(
    settings: AcquisitionParameters, signal: np.ndarray, images: Images, channel: int
) -> np.ndarray:
    """Return the signal under the beam."""
    _, y_nm, x_nm = images.voxel_size_nm
    fwhm = settings.of_channel("blur_fwhm_nm", channel)
    if not fwhm:
        return signal
    sigma = fwhm / effects.FWHM_PER_SIGMA
    return effects.blurred(signal, (sigma / y_nm, sigma / x_nm))


def _of_sample(
    settings: AcquisitionParameters,
    signal: np.ndarray,
    images: Images,
    z: int,
    drawn: Sequence[Context],
    stripes: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """Return the signal after the effects of the sample.

    Args:
        settings: the instrument.
        signal: of a slice, axes (y, x).
        images: the ideal images.
        z: the slice.
        drawn: the source of the random numbers of each slice.
        stripes: changes the factor of the curtains.
    """
    _, y_nm, x_nm = images.voxel_size_nm
    if settings.edge_brightening:
        width = settings.edge_width_nm
        signal = effects.with_bright_edges(
            signal, settings.edge_brightening, (width / y_nm, width / x_nm)
        )
    if settings.charging:
        signal = effects.charged(
            signal,
            settings.charging,
            settings.charging_length_nm / x_nm,
            settings.charging_height_nm / y_nm,
        )
    if settings.curtaining:
        along = settings.milling_axis == "y"
        sizes = signal.shape if along else signal.shape[::-1]
        factor = curtain(settings, z, sizes, (y_nm, x_nm) if along else (x_nm, y_nm), drawn)
        factor = factor if along else factor.T
        signal = signal * (factor if stripes is None else stripes(factor))
    if settings.shading:
        signal = signal * shading(settings, z, signal.shape, drawn)
    return signal


def _detector(
    settings: AcquisitionParameters,
    signal: np.ndarray,
    exposure: Exposure,
    variation: SliceVariation,
    z: int,
    channel: int,
    context: Context,
) -> np.ndarray:
    """Return the detected signal, as a fraction of the full scale."""
    beneath = signal  # the signal without noise
    electrons = settings.of_channel("electrons_per_pixel", channel)
    if electrons is not None:
        rng = context.rng_on(beneath, "counting", z, channel)
        signal = effects.counted(signal, electrons, settings.counting, rng)
        if settings.look is not None:  # levels that the ideal images do not have stay
            signal = signal + (beneath - np.clip(beneath, 0.0, 1.0))
    gain = exposure.gain[channel] * variation.contrast[channel, z]
    level = signal * np.float32(gain)
    level += np.float32(exposure.offset[channel] + variation.brightness[channel, z])
    noise = settings.of_channel("read_noise", channel)
    if noise:
        rng = context.rng_on(beneath, "read", z, channel)
        level += np.float32(noise) * rng.standard_normal(level.shape, np.float32)
    if settings.line_noise:
        rng = context.rng_on(beneath, "line", z, channel)
        lines = rng.standard_normal(len(level)) * settings.line_noise
        level += lines.astype(np.float32)[:, np.newaxis]
    if settings.saturation is not None:
        level = np.minimum(level, np.float32(settings.saturation))
    if settings.gamma != 1:
        level = np.maximum(level, 0.0) ** np.float32(settings.gamma)
    return level
