"""Parameters of an instrument drawn at random around given ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from fib_plugins.adapters.instrument.parameters import AcquisitionParameters
from fib_plugins.adapters.instrument.presets import PRESETS

OFFSET_PER_SPREAD = 0.2
"""How far offsets move per spread, as a fraction of the full scale."""

UNSEEN = ("edge_brightening", "charging", "curtaining", "line_noise")
"""Effects that estimates miss, wholly or in part. Variants have some of each, at a spread of
`USUAL` up to that of the preset bad, so that networks trained on them do not rely on absence."""
USUAL = 0.5

MOVES = ("thickness_variation", "drift_nm")
"""Effects that move structure away from its labels; variants are free of them."""

FACTORS = (
    "edge_brightening",
    "edge_width_nm",
    "charging",
    "charging_length_nm",
    "charging_height_nm",
    "curtaining",
    "curtain_width_nm",
    "curtain_slices",
    "blur_fwhm_nm",
    "electrons_per_pixel",
    "gain",
    "brightness_drift",
    "contrast_drift",
    "grey_drift_slices",
    "read_noise",
    "line_noise",
    "gamma",
)
"""Parameters multiplied by a random factor, which all channels of a detector share."""
OF_DETECTOR = ("electrons_per_pixel", "gain", "read_noise")
"""Those that each detector has of its own, besides the offset; the beam is that of all."""

GAIN = FACTORS.index("gain")


def randomised_values(
    centre: AcquisitionParameters,
    rng: np.random.Generator,
    spread: float,
    detectors: Sequence[str | None] = (),
) -> dict[str, Any]:
    """Return the parameters of an instrument around another one, as JSON values.

    Noise, gain and offset of detectors other than the first one vary by themselves.

    Effects that move slices are off: labels of the images fit the recorded images.

    The number of random draws does not depend on which effects are off, so that the same generator
    gives the same factors to instruments that differ in one effect.

    Args:
        centre: the instrument in the middle.
        rng: where the draws come from.
        spread: 0 and above.
        detectors: that of each channel, if the instrument was estimated from several.
    """
    values = {**centre.model_dump(mode="json"), **dict.fromkeys(MOVES, 0.0)}
    factors = (1.0 + spread) ** rng.uniform(-1.0, 1.0, len(FACTORS))
    move = OFFSET_PER_SPREAD * spread * rng.uniform(-1.0, 1.0)
    for name, factor in zip(FACTORS, factors.tolist(), strict=True):
        values[name] = _within(name, _times(values[name], factor))
    # From a generator of its own: the numbers of other parameters stay what they are without it.
    values["shading"] = _within(
        "shading", values["shading"] * (1.0 + spread) ** rng.spawn(1)[0].uniform(-1.0, 1.0)
    )
    unseen = spread / USUAL * rng.uniform(0.0, 1.0, len(UNSEEN))
    for name, share in zip(UNSEEN, unseen.tolist(), strict=True):
        strength = np.hypot(values[name], share * PRESETS["bad"][name])
        values[name] = _within(name, float(np.copysign(strength, values[name])))
    values |= dict.fromkeys(centre.removed_effects, 0.0)
    if values["look"] is not None:
        varied = _varied_look(values["look"], rng.spawn(1)[0], spread)
        values["look"] = _exposed(varied, factors[GAIN], move)
    if centre.exposure_range is not None:
        low, high = centre.exposure_range
        middle, half = 0.5 * (low + high) + move, 0.5 * (high - low) * factors[GAIN]
        values["exposure_range"] = [max(middle - half, 0.0), middle + half]
        values["gain"] = [1.0]
    else:
        values["offset"] = [offset + move for offset in values["offset"]]
    for other in list(dict.fromkeys(detectors))[1:]:
        channels = [i for i, detector in enumerate(detectors) if detector == other]
        _vary_detector(values, centre, rng.spawn(1)[0], spread, channels, len(detectors))
    return values


LOOK_FACTORS = ("grain", "grain_nm", "texture_nm", "shading_nm", "rim_nm", "rest_curtains")
LEVELS = (-1.0, 2.0)
"""Levels that a look allows."""


def _varied_look(look: dict[str, Any], rng: np.random.Generator, spread: float) -> dict[str, Any]:
    """Return a look around another one.

    Lengths, grain and rims differ by factors; levels in pores lie closer to that of the face or
    farther from it by half as much, and more or fewer of them change slowly.
    """
    channels = []
    for one in look["channels"]:
        factors = (1.0 + spread) ** rng.uniform(-1.0, 1.0, len(LOOK_FACTORS))
        stretch, rims, slowly = (1.0 + spread) ** (rng.uniform(-1.0, 1.0, 3) * (0.5, 1.0, 1.0))
        face = one["face"]
        varied = dict(one)
        for name, factor in zip(LOOK_FACTORS, factors.tolist(), strict=True):
            varied[name] = one[name] * factor
        varied["rest"] = [face + stretch * (level - face) for level in one["rest"]]
        varied["shading_share"] = one["shading_share"] ** slowly
        for name in ("rim_upper", "rim_lower"):
            varied[name] = one[name] * rims
        channels.append(varied)
    return {**look, "channels": channels}


def _exposed(look: dict[str, Any], gain: float, move: float) -> dict[str, Any]:
    """Return a look at another gain and offset, its parts within what they allow."""
    channels = []
    for one in look["channels"]:
        other = dict(one)
        other["face"] = float(np.clip(gain * one["face"] + move, *LEVELS))
        other["rest"] = np.clip(gain * np.array(one["rest"]) + move, *LEVELS).tolist()
        other["grain"] = min(gain * one["grain"], 1.0)
        for name in ("rim_upper", "rim_lower"):
            other[name] = float(np.clip(gain * one[name], -1.0, 1.0))
        other["rest_curtains"] = min(one["rest_curtains"], 10.0)
        channels.append(other)
    return {**look, "channels": channels}


def _vary_detector(
    values: dict[str, Any],
    centre: AcquisitionParameters,
    rng: np.random.Generator,
    spread: float,
    channels: Sequence[int],
    count: int,
) -> None:
    """Draw again what belongs to the channels of one detector, of `count` channels in all."""
    given = centre.model_dump(mode="json")
    factors = (1.0 + spread) ** rng.uniform(-1.0, 1.0, len(OF_DETECTOR))
    move = OFFSET_PER_SPREAD * spread * rng.uniform(-1.0, 1.0)
    follows = centre.exposure_range is not None or values["look"] is not None
    fixed = {"gain", "offset"} if follows else set()
    own = {name: _times(given[name], f) for name, f in zip(OF_DETECTOR, factors, strict=True)}
    own["offset"] = [offset + move for offset in given["offset"]]
    for name, numbers in own.items():
        if numbers is None or name in fixed or name in centre.removed_effects:
            continue
        of_all = _for_each(values[name], count)
        drawn = _for_each(_within(name, numbers), count)
        for channel in channels:
            of_all[channel] = drawn[channel]
        values[name] = of_all


def _for_each(numbers: Any, count: int) -> list[Any]:
    given = numbers if isinstance(numbers, list) else [numbers]
    return list(given) * count if len(given) == 1 else list(given)


def _times(value: Any, factor: float) -> Any:
    if value is None:
        return None
    return [one * factor for one in value] if isinstance(value, list) else value * factor


def _within(name: str, value: Any) -> Any:
    """Return a value clipped to the range that the parameter allows."""
    if value is None:
        return None
    if name == "electrons_per_pixel":
        return [int(np.clip(round(one), 1, 1_000_000)) for one in value]
    if isinstance(value, list):
        return value
    for limit in AcquisitionParameters.model_fields[name].metadata:
        value = min(value, getattr(limit, "le", value))
        value = max(value, getattr(limit, "ge", value))
    return value
