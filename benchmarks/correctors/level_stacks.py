"""Virtual stacks for the benchmark of levelling, and what is left of drift, shading and streaks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from fib_plugins import Acquisition, LeveledWave, Twin, WeightedProjection
from fibcore import Context, Images, Labels, Table

SIZE = (5.0, 5.0, 5.0)
SLICES, EDGE, BELOW = 64, 224, 32
"""Slices below the last one are imaged through pores: the structure continues there."""
INSTRUMENTS = ("twin typical", "twin bad", "acquisition typical", "acquisition bad")
STRUCTURES = ("even", "fraction .20 to .50", "fraction .25, then .45")
FOCUS_NM = 450.0
"""Least defocus that harms a slice of a twin more than interpolation would."""


@dataclass(frozen=True)
class Recorded:
    """A stack as recorded, without the effects that are corrected, and without noise either.

    Attributes:
        stack: with everything, uint8 (z, y, x).
        clean: without drift, shading, streaks and bad slices, uint8.
        reference: without noise and curtains either, float32.
        slices: the table of the instrument.
    """

    stack: np.ndarray
    clean: np.ndarray
    reference: np.ndarray
    slices: Table


@cache
def labels(structure: str, seed: int) -> Labels:
    """Return a structure of 60 nm ligaments; its solid fraction may change with z."""
    shape = (SLICES + BELOW, EDGE, EDGE)
    if structure == "even":
        wave = LeveledWave(
            shape=shape,
            voxel_size_nm=SIZE,
            solid_fraction=0.35,
            ligament_diameter_nm=60,
            waves=2000,
        )
        return wave.generate(seed=seed)
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(
        np.random.default_rng(seed).standard_normal(shape).astype(np.float32), 4.5, mode="wrap"
    )
    fraction = np.linspace(0.2, 0.5, shape[0])
    if structure != "even" and "then" in structure:
        fraction = np.where(np.arange(shape[0]) < SLICES // 2, 0.25, 0.45)
    level = np.quantile(field, 1.0 - fraction)
    return Labels((field > level[:, None, None]).astype(np.uint8), SIZE)


@cache
def ideal(structure: str, seed: int) -> Images:
    """Return the ideal images of a structure at 2 kV."""
    simulator = WeightedProjection(energies_kev=(2.0,), slices=30)
    images = simulator.simulate(labels(structure, seed), context=Context(seed))
    return images.with_data(images.data[:, :SLICES])


@cache
def recorded(instrument: str, structure: str = "even", seed: int = 3) -> Recorded:
    """Return a stack as recorded by an instrument."""
    images = ideal(structure, seed)
    name, preset = instrument.split()
    own: dict[str, Any] = {"preset": preset}
    if name == "twin":
        make: Any = Twin
        off = {
            "brightness_step": 0.0,
            "contrast_step": 0.0,
            "bad_slices": 0.0,
            "shadowing": 0.0,
            "flicker": 0.0,
        }
        quiet = {"beam_electrons": None, "amplifier_noise": 0.0, "curtains_per_um": 0.0}
        quiet |= {"defocus_step_nm": 0.0, "bits": None}
    else:
        make = Acquisition
        own |= {"drift_nm": 0.0, "thickness_variation": 0.0}
        own |= {"black_level": float(images.data.min()), "white_level": float(images.data.max())}
        off = {"brightness_drift": 0.0, "contrast_drift": 0.0, "line_noise": 0.0, "charging": 0.0}
        quiet = {"electrons_per_pixel": None, "read_noise": 0.0, "curtaining": 0.0, "bits": None}
    made = []
    for settings in ({}, off, off | quiet):
        context = Context(seed + 50)
        made.append(make(**(own | settings)).transform(images, context=context).data[0])
        if not settings:
            table = context.kept["slices"]
    return Recorded(made[0], made[1], made[2].astype(np.float32), table)


def polynomials(shape: tuple[int, int]) -> np.ndarray:
    """Return 1, y, x, y^2, x y, x^2 of a field, orthogonal and of mean square 1: (pixel, term)."""
    y, x = (np.linspace(-1.0, 1.0, size) for size in shape)
    terms = [np.outer(y**i, x ** (n - i)).ravel() for n in range(3) for i in range(n, -1, -1)]
    return np.linalg.qr(np.stack(terms, axis=1))[0] * np.sqrt(shape[0] * shape[1])


@dataclass(frozen=True)
class Left:
    """What a stack differs by from its reference, in standard deviations of the images (rms).

    Attributes:
        drift: brightness and contrast of slices.
        shading: terms of degree 1 and 2 in the slices.
        streaks: offsets of rows that change within 9 rows.
    """

    drift: float
    shading: float
    streaks: float


def left_in(stack: np.ndarray, reference: np.ndarray) -> Left:
    """Regress each slice on its reference and on smooth terms, and measure what they vary by."""
    shape = reference.shape[1:]
    terms = polynomials((shape[0], shape[1]))
    terms *= np.sign(terms[0, 0])
    gain, offset, shading, streaks = np.empty((4, len(stack)))
    middle = float(reference.mean())
    for z, (plane, ideal_plane) in enumerate(zip(stack, reference, strict=True)):
        basis = np.column_stack([ideal_plane.ravel().astype(float) - middle, terms])
        found = np.linalg.lstsq(basis, plane.ravel().astype(float), rcond=None)[0]
        gain[z], offset[z] = found[:2]
        shading[z] = np.sqrt(np.sum(found[2:] ** 2))
        rows = (plane.ravel() - basis @ found).reshape(shape).mean(axis=1)
        slow = np.convolve(np.pad(rows, 4, "edge"), np.full(9, 1 / 9), "valid")
        streaks[z] = np.sqrt(np.mean((rows - slow) ** 2))
    deviation = float(reference.std())
    unit = deviation * abs(float(np.median(gain)))
    drift = np.sqrt(np.var(gain) * deviation**2 + np.var(offset)) / unit
    return Left(
        float(drift),
        float(np.sqrt(np.mean(shading**2)) / unit),
        float(np.sqrt(np.mean(streaks**2)) / unit),
    )
