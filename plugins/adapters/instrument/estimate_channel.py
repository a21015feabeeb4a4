"""Estimation of the instrument from one channel of a recorded stack.

It uses a run of consecutive slices in the middle of each stack; brightness and contrast are
measured over the whole stack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fib_plugins.adapters.instrument.estimate_blur import (
    beam_fwhm_nm,
    ring_frequencies,
    ring_spectrum,
)
from fib_plugins.adapters.instrument.estimate_drift import GreyDrift, step_covariance, steps_between
from fib_plugins.adapters.instrument.estimate_noise import NoiseCurve
from fib_plugins.adapters.instrument.estimate_recording import Recording, require_contrast
from fib_plugins.adapters.instrument.estimate_stripes import Curtains, curtains, line_noise
from fib_plugins.adapters.instrument.parameters import AcquisitionParameters
from fib_plugins.image_statistics.histogram import Histogram
from fibcore import Context, FibError

FEWEST_SLICES = 3
"""Fewest slices from which drift is estimated."""
LEVEL_SHARES = np.linspace(0.05, 0.95, 19)
"""Quantiles at which source and target are compared for gain and offset."""
LEVEL_SMOOTHING_PX = 2.0
LEVEL_STRIDE = 2
"""Step in pixels at which smoothed slices are sampled for quantiles."""
SPIKE = 4.0
"""The brightest grey value shows saturation if it is this much more frequent than those below."""
SPIKE_SHARE = 1e-3
NOISY_STEPS = 2.0
"""Saturation is recognised if noise spreads grey values over more grey levels than this."""


@dataclass(frozen=True)
class ChannelEstimate:
    """The estimates for one channel.

    Attributes:
        saturation: as a fraction of the full scale; None where there is none.
        blur_fwhm_nm: of the beam.
        gain: factor on the signal.
        offset: level of no signal.
        per_electrons: 1 / electrons per pixel.
        read_noise: standard deviation.
        line_noise: standard deviation.
        curtains: stripes along the milling direction; None if not requested.
        grey: drift of brightness and contrast; None if not requested, or for too few slices.
        steps: covariance of neighbouring displacements between slices, nm^2; None likewise.
    """

    saturation: float | None
    blur_fwhm_nm: float
    gain: float
    offset: float
    per_electrons: float
    read_noise: float
    line_noise: float
    curtains: Curtains | None
    grey: GreyDrift | None
    steps: float | None


def estimate_channel(
    settings: AcquisitionParameters,
    target: Recording,
    source: Recording | None,
    context: Context,
) -> ChannelEstimate:
    """Return estimates from a channel of the target, compared with that of the source.

    Noise and drift of the source itself are subtracted. Parameters that are not estimated are used
    as given where others depend on them.

    Raises:
        FibError: constant images, values that are not finite or far outside black and white.
    """
    channel, wanted = target.channel, settings.estimate
    histogram = require_contrast(target, "target")
    planes = target.middle()
    noise = NoiseCurve.of(planes, target.step)
    saturation = _saturation(histogram, noise, target)
    if target.step or saturation:
        noise = noise.within(0.0, saturation or 1.0)
    fwhm = settings.of_channel("blur_fwhm_nm", channel)
    if "blur" in wanted:
        fwhm = _blur(planes, noise, target, source, context, fallback=fwhm)
    gain = settings.of_channel("gain", channel)
    offset = settings.of_channel("offset", channel)
    seen, ideal = None, None
    if source is not None:
        seen = replace(source, blur_fwhm_nm=fwhm)
        ideal = seen.middle()
        if "levels" in wanted:
            gain, offset = _levels(planes, ideal)
    per_electrons, constant = noise.split(gain, offset, settings.counting)
    if ideal is not None:
        own = NoiseCurve.of(offset + gain * plane for plane in ideal)
        own_counts, own_constant = own.split(gain, offset, settings.counting)
        per_electrons, constant = per_electrons - own_counts, constant - own_constant
    return ChannelEstimate(
        saturation=saturation,
        blur_fwhm_nm=fwhm,
        gain=gain,
        offset=offset,
        per_electrons=max(per_electrons, 0.0),
        read_noise=float(np.sqrt(max(constant, 0.0))),
        line_noise=line_noise(planes),
        curtains=_curtains(settings, target, planes, offset, fwhm),
        grey=_grey_drift(target, seen, gain, offset) if "brightness" in wanted else None,
        steps=_steps(target, planes, source, ideal) if "drift" in wanted else None,
    )


def _curtains(
    settings: AcquisitionParameters,
    target: Recording,
    planes: Sequence[np.ndarray],
    offset: float,
    fwhm: float,
) -> Curtains | None:
    if "curtaining" not in settings.estimate:
        return None
    y_nm, x_nm = target.pixel_nm
    if settings.milling_axis == "y":
        return curtains(planes, offset, x_nm, fwhm)
    return curtains([plane.T for plane in planes], offset, y_nm, fwhm)


def _grey_drift(
    target: Recording, seen: Recording | None, gain: float, offset: float
) -> GreyDrift | None:
    """Return the drift of grey values beyond that of ideal images on the same grey scale."""
    if target.images.shape[0] < FEWEST_SLICES:
        return None
    found = GreyDrift.of(target.all(), offset)
    if seen is None or seen.images.shape[0] < FEWEST_SLICES:
        return found
    return found.beyond(GreyDrift.of((offset + gain * plane for plane in seen.all()), offset))


def _steps(
    target: Recording,
    planes: Sequence[np.ndarray],
    source: Recording | None,
    ideal: Sequence[np.ndarray] | None,
) -> float | None:
    """Return the covariance of neighbouring steps beyond that of ideal images, nm^2."""
    if len(planes) < FEWEST_SLICES:
        return None
    found = step_covariance(steps_between(planes) * target.pixel_nm)
    if source is None or ideal is None or len(ideal) < FEWEST_SLICES:
        return found
    return found - step_covariance(steps_between(ideal) * source.pixel_nm)


def _blur(
    planes: Sequence[np.ndarray],
    noise: NoiseCurve,
    target: Recording,
    source: Recording | None,
    context: Context,
    fallback: float,
) -> float:
    pixel_nm = target.pixel_nm
    coarser = pixel_nm
    if source is not None:
        coarser = (
            max(pixel_nm[0], source.pixel_nm[0]),
            max(pixel_nm[1], source.pixel_nm[1]),
        )
    borders = ring_frequencies(coarser)
    power = ring_spectrum(planes, pixel_nm, borders)
    floor = noise.mean * pixel_nm[0] * pixel_nm[1]
    ideal = None
    if source is not None:
        sharp = source.middle()
        own = NoiseCurve.of(sharp).mean * source.pixel_nm[0] * source.pixel_nm[1]
        ideal = ring_spectrum(sharp, source.pixel_nm, borders)
        ideal = np.where(ideal > 2.0 * own, ideal - own, np.nan)
    found = beam_fwhm_nm(power, floor, borders, ideal)
    if found is None:
        context.log.warning(
            "the spectrum of the %s images does not show the width of the beam; blur_fwhm_nm "
            "stays %g",
            target.images.names[target.channel],
            fallback,
        )
        return fallback
    return found


def _levels(planes: Sequence[np.ndarray], ideal: Sequence[np.ndarray]) -> tuple[float, float]:
    """Return gain and offset that map the quantiles of ideal slices to those recorded.

    Both stacks are smoothed, so that noise does not widen their histograms. The structures are
    assumed to have about the same solid fraction.
    """
    from scipy.ndimage import gaussian_filter

    recorded, signal = (
        np.quantile(
            [
                gaussian_filter(plane, LEVEL_SMOOTHING_PX)[::LEVEL_STRIDE, ::LEVEL_STRIDE]
                for plane in part
            ],
            LEVEL_SHARES,
        )
        for part in (planes, ideal)
    )
    if np.ptp(signal) == 0 or np.ptp(recorded) == 0:
        raise FibError(
            "nine tenths of the source (or of the target) have one grey value, so that gain and "
            "offset cannot be estimated: give images with more contrast, or leave levels out of "
            "estimate and set gain and offset"
        )
    gain, offset = np.polyfit(signal, recorded, 1)
    return float(gain), float(offset)


def _saturation(histogram: Histogram, noise: NoiseCurve, target: Recording) -> float | None:
    """Return the level that noise does not exceed, if there is one below the full scale."""
    counts = histogram.counts
    if noise.mean <= (NOISY_STEPS * target.step) ** 2:
        return None  # without noise a bright phase has one grey value anyway
    if len(counts) <= 5 or counts[-1] < SPIKE_SHARE * counts.sum():
        return None
    if counts[-1] < SPIKE * counts[-6:-1].mean():
        return None
    level = float(target.scale.signal(histogram.values[-1:])[0])
    if level >= 1.0 and target.step:
        return None  # there the bits end anyway
    return min(level, 1.0) ** (1.0 / target.gamma)
