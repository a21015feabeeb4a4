"""Twins with open pores and hidden truth, recorded by a small renderer of their own.

It shares nothing with `adapter/acquisition`: particles are balls with rough surfaces, what lies
below the face is shaded by its depth and slope, binder is a network of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

PIXEL_NM = 20.0


@dataclass(frozen=True)
class View:
    """How a detector shows a structure; grey levels of 255.

    Attributes:
        face: of the milled solid.
        grain: standard deviation of the face itself.
        floor: of a deep void.
        below: level of solid just below the face, as a fraction of the face.
        depth_nm: over which what lies below the face darkens to 1/e.
        near: part that darkens over 100 nm already: a Monte Carlo of LiCoO2 at 2 keV gives .69 of
            the face at 250 nm, .55 at 1 000 and .32 at 2 000 nm.
        relief: contrast of slopes below the face, as a fraction.
        binder: level of binder filaments near the face; None: no binder.
        rims: brightness of edges of the face.
        rim_px: width of these rims.
        curtains: standard deviation of stripes, as a fraction of the signal.
        pore_curtains: factor on these in pores.
        beam_px: standard deviation of the beam.
        noise: standard deviation of noise at the level of the face; half its variance grows with
            the signal.
    """

    face: float
    grain: float = 1.0
    floor: float = 30.0
    below: float = 0.9
    depth_nm: float = 400.0
    near: float = 0.0
    relief: float = 0.1
    binder: float | None = None
    rims: float = 0.0
    rim_px: float = 1.2
    curtains: float = 0.0
    pore_curtains: float = 1.0
    beam_px: float = 0.7
    noise: float = 3.0


BSE = View(151, 2.2, 100, 1.04, 1800, 0.3, 0.1, 128, noise=3.4)
SE = View(90, 1.8, 8, 0.9, 500, 0.2, 0.5, 150, rims=40, curtains=0.07, pore_curtains=0.5, noise=1.2)
VIEWS = {
    "BSE, open": BSE,
    "SE, open": SE,
    "bright pores": View(110, 1.2, 40, 1.15, 900, 0.2, 0.25, 140, noise=2.5),
    "noisy SE": View(120, 2.0, 10, 0.8, 600, 0.2, 0.3, None, 25, curtains=0.04, noise=14),
    "epoxy, BSE": View(170, 1.0, 60, 0.9, 120, 0.0, 0.0, None, noise=5.0),
}


def structure(
    seed: int, shape: tuple[int, int, int] = (80, 160, 160), share: float = 0.6
) -> np.ndarray:
    """Return rough particles of many sizes, bool, the deeper half of them only seen from above."""
    rng = np.random.default_rng(seed)
    field = np.full(shape, -9.0, np.float32)
    grid = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in shape), indexing="ij")
    for _ in range(400):
        centre, radius = rng.uniform(0, shape), rng.lognormal(1.9, 0.55)
        squeeze = rng.uniform(0.7, 1.4, 3)
        low = [max(0, int(c - 2 * radius)) for c in centre]
        high = [int(c + 2 * radius) + 1 for c in centre]
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        away = sum(((g[box] - c) / s) ** 2 for g, c, s in zip(grid, centre, squeeze, strict=True))
        field[box] = np.maximum(field[box], radius - np.sqrt(away))
    field = np.maximum(field, -12.0)
    for scale, height in ((6.0, 2.5), (2.0, 0.8)):
        rough = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), scale)
        field += height * rough / rough.std()
    return field > np.quantile(field, 1.0 - share)


def recorded(solid: np.ndarray, views: list[View], seed: int, slices: int) -> np.ndarray:
    """Return images of the first slices, uint8, axes (channel, z, y, x)."""
    shape = solid.shape
    rng = np.random.default_rng([seed, 1])
    fine = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), 1.3)
    coarse = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), 3.0)
    network = np.abs(fine / fine.std() + 0.6 * coarse / coarse.std())
    voids = ndimage.gaussian_filter(rng.standard_normal(shape, np.float32), 6.0)
    binder = (network < 0.12 + 0.2 * voids / voids.std()) & ~solid
    depth, slope = _first_below(solid)
    to_binder, _ = _first_below(solid | binder)
    images = np.empty((len(views), slices, *shape[1:]), np.uint8)
    for channel, view in enumerate(views):
        stripes = ndimage.gaussian_filter1d(rng.standard_normal((slices, shape[2])), 1.5, axis=1)
        stripes = view.curtains * stripes / stripes.std()
        for z in range(slices):
            images[channel, z] = _slice(
                solid[z], depth[z], slope[z], to_binder[z], view, stripes[z], rng
            )
    return images


def _first_below(solid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return depth in slices and slope along y of the first solid below each voxel."""
    depth = np.empty(solid.shape, np.float32)
    last = np.full(solid.shape[1:], 30.0, np.float32)
    for z in range(len(solid) - 1, -1, -1):
        last = np.where(solid[z], 0.0, last + 1.0).astype(np.float32)
        depth[z] = last
    slope = np.stack([np.gradient(ndimage.gaussian_filter(plane, 1.0), axis=0) for plane in depth])
    return depth, np.tanh(slope)


def _slice(
    face: np.ndarray,
    depth: np.ndarray,
    slope: np.ndarray,
    to_binder: np.ndarray,
    view: View,
    stripes: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    fade = view.near * np.exp(-depth * PIXEL_NM / 100.0)
    fade += (1 - view.near) * np.exp(-depth * PIXEL_NM / view.depth_nm)
    level = view.floor + (view.below * view.face - view.floor) * fade * (1 + view.relief * slope)
    if view.binder is not None:
        near = (to_binder < depth) * np.exp(-to_binder * PIXEL_NM / view.depth_nm)
        level += near * (view.binder - level)
    grain = 0.0
    for sigma, amount in ((1.0, 0.5), (6.0, 0.85)):
        field = ndimage.gaussian_filter(rng.standard_normal(face.shape), sigma)
        grain = grain + view.grain * amount * field / field.std()
    level = np.where(face, view.face + grain, level)
    if view.rims:
        within = ndimage.distance_transform_edt(face)
        upper = np.roll(~face, round(2 * view.rim_px), axis=0) & face
        strength = view.rims * np.where(upper, 1.5, 0.6) * np.exp(-(within - 0.5) / view.rim_px)
        level = level + np.where(face, strength, 0.0)
    level = level * (1 + stripes * np.where(face, 1.0, view.pore_curtains))
    level = np.maximum(ndimage.gaussian_filter(level, view.beam_px), 0.0)
    half = view.noise**2 / 2
    level += np.sqrt(half * level / view.face + half) * rng.standard_normal(level.shape)
    return np.rint(np.clip(level, 0, 255)).astype(np.uint8)
