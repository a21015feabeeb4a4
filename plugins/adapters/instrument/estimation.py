"""Estimation of the instrument model's parameters from a stack recorded by a real instrument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fib_plugins.adapters.instrument.estimate_channel import ChannelEstimate, estimate_channel
from fib_plugins.adapters.instrument.estimate_drift import lateral_drift
from fib_plugins.adapters.instrument.estimate_recording import Recording, require_contrast
from fib_plugins.adapters.instrument.estimate_stripes import Curtains
from fib_plugins.adapters.instrument.look_values import look_values, noise_values, numbers_of_look
from fib_plugins.adapters.instrument.parameters import BITS, AcquisitionParameters
from fib_plugins.adapters.instrument_base.signal_scale import SignalScale
from fibcore import Context, Images, Table


def estimate_parameters(
    settings: AcquisitionParameters, target: Images, source: Images | None, context: Context
) -> dict[str, Any]:
    """Return the parameters named in `settings.estimate`, as JSON values by name.

    Raises:
        FibError: constant images, values that are not finite or far outside black and white.
    """
    found, recordings = [], []
    recorded = _full_scale(settings, target)
    scales = None if source is None else SignalScale.of(settings, source)
    for channel in context.track(range(len(target.data)), "channels estimated"):
        recording = Recording.of(target, channel, recorded[channel], settings.gamma)
        ideal = None
        if source is not None and scales is not None:
            ideal = Recording.of(source, channel, scales[channel], 1.0)
            require_contrast(ideal, "source")
        found.append(estimate_channel(settings, recording, ideal, context))
        recordings.append(recording)
    if source is None and "levels" in settings.estimate:
        context.log.warning(
            "without a source, gain and offset cannot be estimated and stay as given: give images "
            "like those to be degraded as source"
        )
    values = _gathered(settings, target, source, found)
    if "look" in settings.estimate:
        values |= look_values(settings, recordings, found, values, context)
    return values


def table_of(given: AcquisitionParameters, estimates: Mapping[str, Any]) -> Table:
    """Return parameter, channel (-1: all), value and given (value before) of each estimate.

    A range has two rows, ``<name>_low`` and ``<name>_high``.
    """
    rows: list[dict[str, Any]] = [
        {
            "parameter": parameter,
            "channel": channel,
            "value": np.nan if value is None else float(value),
            "given": np.nan if before is None else float(before),
        }
        for name, found in estimates.items()
        for parameter, channel, value, before in _numbers(given, name, found)
    ]
    return Table.from_rows(rows)


def _numbers(
    given: AcquisitionParameters, name: str, found: Any
) -> list[tuple[str, int, float | None, float | None]]:
    """Return parameter, channel, value and value before of all numbers of a parameter."""
    before = getattr(given, name)
    if name == "look":
        return numbers_of_look(found)
    if name == "exposure_range" and before is not None:
        return [(f"{name}_low", -1, None, before[0]), (f"{name}_high", -1, None, before[1])]
    if name in given.per_channel and (found is not None or given.channels_of(name) > 1):
        channels = range(given.channels_of(name)) if found is None else range(len(found))
        return [
            (
                name,
                channel,
                None if found is None else found[channel],
                given.of_channel(name, channel),
            )
            for channel in channels
        ]
    return [(name, -1, found, before[0] if isinstance(before, tuple) else before)]


def _full_scale(settings: AcquisitionParameters, target: Images) -> tuple[SignalScale, ...]:
    """Return the grey values of each channel of a recorded stack at 0 and at full scale."""
    if target.data.dtype.kind == "f":
        return SignalScale.of(settings, target)
    return (SignalScale(0.0, float(np.iinfo(target.data.dtype).max)),) * len(target.data)


def _gathered(
    settings: AcquisitionParameters,
    target: Images,
    source: Images | None,
    found: Sequence[ChannelEstimate],
) -> dict[str, Any]:
    """Return the estimates of all channels as parameters."""
    wanted = settings.estimate
    values: dict[str, Any] = {}
    if "output" in wanted:
        values["bits"] = BITS[target.data.dtype.name]
        saturations = [one.saturation for one in found if one.saturation is not None]
        values["saturation"] = float(np.median(saturations)) if saturations else None
    if "blur" in wanted:
        values["blur_fwhm_nm"] = [one.blur_fwhm_nm for one in found]
    if "levels" in wanted and source is not None:
        values["exposure_range"] = None
        values["gain"] = [one.gain for one in found]
        values["offset"] = [one.offset for one in found]
    if "noise" in wanted:
        values |= noise_values([(one.per_electrons, one.read_noise) for one in found])
    if "line_noise" in wanted:
        values["line_noise"] = _root_mean_square([one.line_noise for one in found])
    if "curtaining" in wanted:
        values |= _curtaining([one.curtains for one in found if one.curtains is not None])
    values |= _drifts(settings, found)
    return values


def _curtaining(found: Sequence[Curtains]) -> dict[str, Any]:
    values = {"curtaining": _root_mean_square([one.deviation for one in found])}
    widths = [one.width_nm for one in found if one.width_nm is not None]
    lasting = [one.slices for one in found if one.slices is not None]
    if widths and lasting:
        values["curtain_width_nm"] = float(np.mean(widths))
        values["curtain_slices"] = float(np.mean(lasting))
    return values


def _drifts(settings: AcquisitionParameters, found: Sequence[ChannelEstimate]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    greys = [one.grey for one in found if one.grey is not None]
    if greys:
        values["brightness_drift"] = float(np.sqrt(np.mean([g.brightness for g in greys])))
        values["contrast_drift"] = float(np.sqrt(np.mean([g.contrast for g in greys])))
        lasting = [g.slices for g in greys if g.slices is not None]
        if lasting:
            values["grey_drift_slices"] = float(np.mean(lasting))
    steps = [one.steps for one in found if one.steps is not None]
    if steps:
        values["drift_nm"] = lateral_drift(float(np.mean(steps)), settings.drift_slices)
    return values


def _root_mean_square(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
