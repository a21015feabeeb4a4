"""The look of a stack, and what is more accurate with it, as parameters and as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from fib_plugins.adapters.instrument.effects import FWHM_PER_SIGMA
from fib_plugins.adapters.instrument.estimate_channel import ChannelEstimate
from fib_plugins.adapters.instrument.estimate_look import BEAM_RANGE_PX, estimate_look
from fib_plugins.adapters.instrument.estimate_noise import NoiseCurve
from fib_plugins.adapters.instrument.estimate_recording import Recording
from fib_plugins.adapters.instrument.parameters import AcquisitionParameters
from fibcore import Context

MOST_ELECTRONS = 1_000_000


def look_values(
    settings: AcquisitionParameters,
    recordings: Sequence[Recording],
    found: Sequence[ChannelEstimate],
    values: Mapping[str, Any],
    context: Context,
) -> dict[str, Any]:
    """Return the look, and the noise and curtains of the face, which are more accurate."""
    fwhm = [one.blur_fwhm_nm for one in found]
    estimated = estimate_look(recordings, fwhm, settings.milling_axis == "x", context)
    if estimated is None:
        return {}
    look, on_face = estimated
    nm = float(np.sqrt(np.prod(recordings[0].pixel_nm)))
    better: dict[str, Any] = {}
    strengths = [one.face_curtains for one in look.channels]
    if "curtaining" in settings.estimate:
        better["curtaining"] = _rms(strengths)
    unit = _rms(strengths)
    channels = []
    for strength, one in zip(strengths, look.channels, strict=True):
        in_pores = one.rest_curtains / one.face_curtains if one.face_curtains else 1.0
        factor = strength / unit if unit else 1.0
        changes = {"face_curtains": factor, "rest_curtains": factor * in_pores}
        channels.append(one.model_copy(update=changes))
    better["look"] = look.model_copy(update={"channels": tuple(channels)}).model_dump(mode="json")
    if "noise" in settings.estimate:
        split = [
            _with_face_noise(recording, one, level.face, here.noise, settings.counting)
            for recording, one, level, here in zip(
                recordings, found, look.channels, on_face, strict=True
            )
        ]
        better |= noise_values(split)
    if "blur" in settings.estimate:
        better["blur_fwhm_nm"] = [
            _likely(one.blur_fwhm_nm if here.blur_fwhm_nm is None else here.blur_fwhm_nm, nm)
            for one, here in zip(found, on_face, strict=True)
        ]
    return better


def numbers_of_look(found: Mapping[str, Any]) -> list[tuple[str, int, float | None, float | None]]:
    """Return the numbers of a look; of the levels in pores, three quantiles."""
    rows: list[tuple[str, int, float | None, float | None]] = [
        (f"look_{name}", -1, found[name], None)
        for name in ("solid_share", "uncertainty", "correlation")
    ]
    for channel, one in enumerate(found["channels"]):
        rest = one["rest"]
        for share in (5, 50, 95):
            place = share / 100 * (len(rest) - 1)
            level = float(np.interp(place, np.arange(len(rest)), rest))
            rows.append((f"look_rest_{share}", channel, level, None))
        rows += [
            (f"look_{name}", channel, value, None) for name, value in one.items() if name != "rest"
        ]
    return rows


def noise_values(found: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return 1 / electrons and read noise of the channels as parameters."""
    counts = [count for count, _ in found]
    noisy = any(count > 1.0 / MOST_ELECTRONS for count in counts)
    return {
        "electrons_per_pixel": [_electrons(n) for n in counts] if noisy else None,
        "read_noise": [read_noise for _, read_noise in found],
    }


def _electrons(per_electron: float) -> int:
    return int(np.clip(round(1.0 / max(per_electron, 1e-12)), 1, MOST_ELECTRONS))


def _with_face_noise(
    recording: Recording,
    found: ChannelEstimate,
    level: float,
    variance: float,
    counting: Literal["binomial", "poisson"],
) -> tuple[float, float]:
    """Return 1 / electrons and read noise that have the variance measured on the face there.

    Fine texture in pores is counted as noise elsewhere: no level has more than electrons would give
    that are counted from level 0 on.

    Args:
        recording: the channel.
        found: its estimates, for gain and offset.
        level: of the face.
        variance: of the noise on the face.
        counting: statistics of the electrons.
    """
    curve = NoiseCurve.of(recording.middle(), recording.step)
    most = variance * np.maximum(1.0, curve.level / max(level, 1e-6))
    least = np.minimum(curve.variance, most)
    per_electrons, constant = NoiseCurve(curve.level, least).split(
        found.gain, found.offset, counting
    )
    signal = max((level - found.offset) / found.gain, 0.0)
    if counting == "binomial":
        signal = min(signal, 1.0) * (1.0 - min(signal, 1.0))
    here = found.gain**2 * signal * per_electrons + constant
    scale = variance / here if here > 0 else 0.0
    return per_electrons * scale, float(np.sqrt(constant * scale))


def _likely(fwhm_nm: float, pixel_nm: float) -> float:
    """Return a width of the beam within what images are recorded with."""
    low, high = (sigma * float(FWHM_PER_SIGMA) * pixel_nm for sigma in BEAM_RANGE_PX)
    return float(np.clip(fwhm_nm, low, high))


def _rms(values: Sequence[float]) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
