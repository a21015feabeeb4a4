"""The grey values of face and pores, their texture, rims and curtains, from a stack without labels.

The milled face is found by its narrow mode (`fib_plugins.milled_face`), with all detectors at once;
the rest is what lies in pores. Values are levels: fractions of the full scale.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.instrument import pore_texture, rims
from fib_plugins.adapters.instrument.effects import FWHM_PER_SIGMA
from fib_plugins.adapters.instrument.estimate_recording import Recording
from fib_plugins.adapters.instrument.look import ChannelLook, Look
from fib_plugins.image_statistics.noise_level import responses_to_noise
from fib_plugins.milled_face.face import WITHIN, Face, face_mask
from fib_plugins.milled_face.mode import blurred
from fibcore import Context, FibError

MOST_SLICES = 12
"""Slices that are used, evenly spaced."""
INSIDE_PX, OUTSIDE_PX = 3.0, 1.5
"""Pixels so far from the outline are of the face, or in a pore, without the blur of the edge."""
QUANTILES = 41
ENDS = (0.002, 0.998)
"""Shares taken as the lowest and highest quantile."""
BEAM_RANGE_PX = (0.3, 2.0)
"""Edges are taken to be blurred by a beam within this range, standard deviation in pixels."""
MOST_GRAIN = 4.0
"""Variance of the grain over that after flattening, at most."""
LEAST_CURTAINS = 0.004
"""Weaker stripes, as a fraction of the signal, are not distinguished from grain."""
CURTAIN_PX = 12.0
"""Changes across the face that are wider are shading."""
SLICE_ERRORS = 1.645
"""Standard errors in half a 90 % range."""


@dataclass(frozen=True)
class FaceEstimate:
    """What is measured on the face of a channel.

    Attributes:
        noise: variance of the noise.
        blur_fwhm_nm: of the edges of the face; None where pores differ too little from it.
    """

    noise: float
    blur_fwhm_nm: float | None


def estimate_look(
    recordings: Sequence[Recording],
    blur_fwhm_nm: Sequence[float],
    transposed: bool,
    context: Context,
) -> tuple[Look, list[FaceEstimate]] | None:
    """Return the look of a stack, and what is more accurate on the face in each channel.

    None, with a warning, if no channel has a narrow mode. Curtains are standard deviations, as
    fractions of the signal.

    Args:
        recordings: the channels of the stack.
        blur_fwhm_nm: of the beam, in each channel.
        transposed: whether curtains run along x.
        context: takes warnings.
    """
    planes = [_planes(recording, transposed) for recording in recordings]
    pixel_nm = float(np.sqrt(np.prod(recordings[0].pixel_nm)))
    faces: dict[int, Face] = {}
    for channel, recording in enumerate(recordings):
        name = recording.images.names[channel]
        try:
            faces[channel] = Face.of(planes[channel], f"the {name} images")
        except FibError as error:
            context.log.warning("the look cannot be estimated from one channel alone: %s", error)
    if not faces:
        context.log.warning(
            "no channel shows the milled face as a narrow mode: the look stays as given; use "
            "images with less noise, or give a look"
        )
        return None
    _warn_of_doubt(faces, recordings, context)
    beams = [float(np.clip(f / FWHM_PER_SIGMA / pixel_nm, *BEAM_RANGE_PX)) for f in blur_fwhm_nm]
    beam = float(np.mean(beams))
    flat = [
        [faces[c].flattened(plane) if c in faces else (plane, np.ones_like(plane)) for plane in own]
        for c, own in enumerate(planes)
    ]
    masks = [
        face_mask(list(faces.values()), [flat[c][z][0] for c in faces], beam)
        for z in range(len(planes[0]))
    ]
    if not 0.02 < np.mean(masks) < 0.98:
        context.log.warning("the face or the pores fill nearly all slices: no look is estimated")
        return None
    distances = [rims.Distances.of(mask) for mask in masks]
    found, on_face, missing = [], [], []
    for c in range(len(planes)):
        one, variance, lost = _channel(
            planes[c], flat[c], distances, faces.get(c), beam, pixel_nm, recordings[c].step
        )
        found.append(one)
        even = [plane for plane, _ in flat[c]]
        differs = abs(one.face - float(np.mean(one.rest))) > float(np.std(one.rest))
        sharp = rims.edge_blur(even, distances, one.face) * pixel_nm if differs else None
        fwhm = None if sharp is None else sharp * float(FWHM_PER_SIGMA)
        on_face.append(FaceEstimate(variance, fwhm))
        missing.append(lost)
    # What one detector cannot distinguish from the face, another may.
    least = min((missing[c] for c in faces), key=lambda both: both[1])
    shares = np.array([float(mask.mean()) for mask in masks])
    rest = 1.0 - float(shares.mean())
    scatter = SLICE_ERRORS * float(shares.std()) / np.sqrt(len(shares))
    look = Look(
        channels=tuple(found),
        correlation=_correlation(planes, distances),
        solid_share=max(1.0 - rest * (1.0 + least[0]), 0.0),
        uncertainty=min(float(np.hypot(scatter, rest * least[1])), 1.0),
    )
    return look, on_face


def _planes(recording: Recording, transposed: bool) -> list[np.ndarray]:
    middle = recording.middle()
    chosen = np.unique(np.linspace(0, len(middle) - 1, MOST_SLICES).round().astype(int))
    return [np.ascontiguousarray(middle[z].T) if transposed else middle[z] for z in chosen]


def _warn_of_doubt(
    faces: Mapping[int, Face], recordings: Sequence[Recording], context: Context
) -> None:
    for channel, face in faces.items():
        if face.mode.doubtful:
            context.log.warning(
                "the mode of the face in the %s images is wide (standard deviation %.3g of the "
                "full scale, that of all levels %.3g): the look is uncertain",
                recordings[channel].images.names[channel],
                face.mode.deviation,
                face.mode.spread,
            )


def _channel(
    planes: Sequence[np.ndarray],
    flat: Sequence[tuple[np.ndarray, np.ndarray]],
    distances: Sequence[rims.Distances],
    face: Face | None,
    beam_px: float,
    pixel_nm: float,
    step: float,
) -> tuple[ChannelLook, float, tuple[float, float]]:
    """Return the look, the variance of the noise, and what is missing; see `_rest`."""
    inside = [one.within > INSIDE_PX for one in distances]
    outside = [one.beyond > OUTSIDE_PX for one in distances]
    responses = [responses_to_noise(p)[m[1:-1, 1:-1]] for p, m in zip(planes, inside, strict=True)]
    noise = float(np.sqrt(max(_rms(responses) ** 2 - step**2 / 12.0, 0.0)))
    level = float(np.mean(_chosen([one for one, _ in flat], inside)))
    grain = pore_texture.correlations([one for one, _ in flat], inside)
    curtains, in_pores = _curtains(planes, flat, inside, outside, face)
    rest, missing = _rest(planes, outside, face, noise**2)
    texture = pore_texture.PoreTexture.of(pore_texture.correlations(planes, outside), noise**2)
    rim = rims.fitted([one for one, _ in flat], distances, level, beam_px)
    evened = float(max(grain[0] - noise**2, 0.0))
    # Flattening takes some of the grain with the curtains; where these are strong, it is not known.
    whole = float(np.mean([p[m].var() for p, m in zip(planes, inside, strict=True) if m.any()]))
    left = whole - noise**2 - (curtains * level) ** 2
    weak = (curtains * level) ** 2 < evened
    variance = float(np.clip(left, evened, MOST_GRAIN * evened)) if weak else evened
    look = ChannelLook(
        face=level,
        grain=float(np.sqrt(variance)),
        grain_nm=pixel_nm * pore_texture.length(grain, evened),
        rest=tuple(np.clip(np.maximum.accumulate(rest), -1.0, 2.0).tolist()),
        texture_nm=pixel_nm * texture.fine_px,
        shading_nm=pixel_nm * texture.coarse_px,
        shading_share=texture.coarse_share,
        rim_upper=float(np.clip(rim.upper, -1, 1)),
        rim_lower=float(np.clip(rim.lower, -1, 1)),
        rim_nm=pixel_nm * rim.width_px,
        face_curtains=curtains,
        rest_curtains=curtains * in_pores,
    )
    return look, noise**2, missing


def _rest(
    planes: Sequence[np.ndarray],
    outside: Sequence[np.ndarray],
    face: Face | None,
    noise: float,
) -> tuple[np.ndarray, tuple[float, float]]:
    """Return quantiles of what lies in pores, and the shares of it that are missing.

    Some of it is as bright as the face and was taken for it: the density of levels just beside
    the mode is continued through it. At most, it rises there to four times as much.
    """
    blur = 0.7 if face is None else face.blur_px
    values = _chosen([blurred(plane, blur) for plane in planes], outside)
    raw = _chosen(planes, outside)
    mean = float(values.mean())
    widened = np.sqrt(max(float(raw.var()) - noise, 1e-12) / max(float(values.var()), 1e-12))
    missing, most = 0.0, 0.0
    values = mean + (values - mean) * float(np.clip(widened, 1.0, 1.5))
    if face is not None:
        reach = 1.2 * WITHIN * face.mode.deviation
        away = values - face.mode.level
        beside = [np.mean((side * away > reach) & (side * away < 2 * reach)) for side in (-1, 1)]
        there = float(np.mean(np.abs(away) < reach))
        missing = max(float(np.sum(beside)) - there, 0.0)
        most = 3.0 * max(float(np.max(beside)), 0.0)
        added = face.mode.level + np.linspace(-reach, reach, max(int(missing * len(values)), 2))
        values = np.concatenate([values, added])
    shares = np.clip(np.linspace(0.0, 1.0, QUANTILES), *ENDS)
    return np.quantile(values, shares), (missing, most)


def _curtains(
    planes: Sequence[np.ndarray],
    flat: Sequence[tuple[np.ndarray, np.ndarray]],
    inside: Sequence[np.ndarray],
    outside: Sequence[np.ndarray],
    face: Face | None,
) -> tuple[float, float]:
    """Return the standard deviation of stripes on the face, relative, and the factor in pores.

    Grain makes stripes, too, along both axes alike: those along the other axis are subtracted.
    """
    from scipy.ndimage import gaussian_filter1d

    if face is None:
        return 0.0, 1.0
    stripes, across, levels = [], [], []
    for plane, (_, factor) in zip(planes, flat, strict=True):
        stripes.append(factor - gaussian_filter1d(factor, CURTAIN_PX, axis=1))
        sideways = face.flattened(np.ascontiguousarray(plane.T))[1].T
        across.append(sideways - gaussian_filter1d(sideways, CURTAIN_PX, axis=0))
        levels.append(plane - gaussian_filter1d(plane, CURTAIN_PX, axis=1))
    variance = float(_chosen(stripes, inside).var() - _chosen(across, inside).var())
    if variance < LEAST_CURTAINS**2:
        return 0.0, 1.0
    in_pores, there = _chosen(stripes, outside), _chosen(levels, outside)
    mean = float(np.mean(_chosen(planes, outside)))
    squares = float(np.sum(in_pores**2)) * max(mean, 1e-6)
    ratio = float(np.sum(in_pores * there)) / squares if squares > 0 else 1.0
    return float(np.sqrt(variance)), float(np.clip(ratio, 0.0, 2.0))


def _correlation(
    planes: Sequence[Sequence[np.ndarray]], distances: Sequence[rims.Distances]
) -> float:
    """Return the mean correlation of levels in pores between channels, not below 0."""
    if len(planes) == 1:
        return 0.0
    outside = [one.beyond > OUTSIDE_PX for one in distances]
    values = [_chosen([blurred(plane, 0.7) for plane in own], outside) for own in planes]
    ranks = [np.argsort(np.argsort(one)) for one in values]
    matrix = np.atleast_2d(np.corrcoef(ranks))
    return float(np.clip(matrix[np.triu_indices(len(matrix), 1)].mean(), 0.0, 1.0))


def _chosen(planes: Sequence[np.ndarray], masks: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([p[m] for p, m in zip(planes, masks, strict=True)]).astype(np.float64)


def _rms(parts: Sequence[np.ndarray]) -> float:
    """Return the root mean square of responses, without the few far beyond all others."""
    values = np.concatenate(parts).astype(np.float64)
    if not len(values):
        return 0.0
    scale = float(np.sqrt(np.mean(values**2)))
    kept = values[values < 5.0 * scale]
    return float(np.sqrt(np.mean(kept**2)))
