"""Effects at the sample: edges that face the detector, curtains, the shadow of the trench.

Signals are float32 in axes (y, x): y runs down the face, along the ion beam, into the trench.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fib_plugins.adapters.hidden_instrument.beam import exponentially_spread
from fib_plugins.adapters.hidden_instrument.parameters import TwinParameters

EDGE_PIXELS = 2.0
"""Scale on which the edges where curtains begin are detected, in pixels of the preset: counting
noise has none."""
FROM_ABOVE = 0.3
"""Share of curtains that begin above the face."""
PROFILE_REACH = 8.0
"""Half widths at which the profile of a curtain is cut off."""
QUADRATIC = 0.4
"""Share of the quadratic term in the shadow; the rest is linear in the depth."""
SWING = 0.4
"""Variation of the shadow with z, as a fraction of it, and its slope along x."""


def with_halo(
    signal: np.ndarray,
    strength: float,
    length_nm: float,
    detector_deg: float,
    pixel_nm: tuple[float, float],
) -> np.ndarray:
    """Return the signal with brightened edges where it falls off towards the detector.

    The ion beam rounds edges. A surface that is tilted towards the detector is bright, one tilted
    away is not seen (topographic contrast: Reimer, Scanning Electron Microscopy). The slope is
    that of the signal convolved with exp(-r / L). Across a straight step of height h it is
    h |d| / (pi L^2) K1(|d| / L) at distance d, times the cosine of the angle to the detector;
    pi L times that is added, so that the halo is strength * h at the step.
    """
    spread = exponentially_spread(signal, length_nm, pixel_nm)
    slope_y, slope_x = np.gradient(spread, *pixel_nm)
    angle = math.radians(detector_deg)
    towards = -(math.cos(angle) * slope_x + math.sin(angle) * slope_y)
    halo = strength * math.pi * length_nm * np.maximum(towards, 0.0)
    return signal + halo.astype(np.float32)


@dataclass(frozen=True)
class Curtain:
    """A groove that begins somewhere on the face and runs down.

    Attributes:
        first_slice: slice in which it appears.
        slices: number of slices it lasts for.
        y_nm, x_nm: where it begins.
        depth: optical density where it is deepest, in the channel that shows it most.
        width_nm: half width at half depth.
    """

    first_slice: int
    slices: int
    y_nm: float
    x_nm: float
    depth: float
    width_nm: float

    def strength(self, z: int) -> float:
        """Return the depth in a slice: it grows and fades as half a sine."""
        age = (z - self.first_slice + 0.5) / self.slices
        return self.depth * math.sin(math.pi * age) if 0 < age < 1 else 0.0


def new_curtains(
    settings: TwinParameters,
    signal: np.ndarray,
    pixel_nm: tuple[float, float],
    first_slice: int,
    rng: np.random.Generator,
) -> list[Curtain]:
    """Return the curtains that begin in a slice.

    They begin where the ion beam comes out of a pore and hits solid: at pixels drawn with
    probabilities proportional to how steeply the signal rises downwards.
    """
    width, (y_nm, x_nm) = signal.shape[1], pixel_nm
    mean = settings.curtains_per_um * width * x_nm * 1e-3 / settings.curtain_slices
    number = int(rng.poisson(mean))
    if number == 0:
        return []
    spread = exponentially_spread(signal, EDGE_PIXELS * settings.preset_pixel_nm, pixel_nm)
    rise = np.maximum(np.diff(spread, axis=0, prepend=spread[:1]), 0.0).ravel()
    chance = np.cumsum(rise, dtype=np.float64)
    found = []
    for _ in range(number):
        place, above, across = rng.random(3)
        slices = int(rng.integers(1, 2 * settings.curtain_slices))
        depth = max(settings.curtain_depth) * (1.0 + rng.pareto(settings.curtain_tail))
        half_width = settings.curtain_width_nm * rng.lognormal(0.0, 0.4)
        if above < FROM_ABOVE or chance[-1] == 0:
            y, x = -above * settings.curtain_reach_nm, across * width
        else:
            y, x = divmod(int(np.searchsorted(chance, place * chance[-1], "right")), width)
            y = y * y_nm
        found.append(Curtain(first_slice, slices, y, x * x_nm, depth, half_width))
    return found


def curtain_density(
    settings: TwinParameters,
    curtains: Sequence[Curtain],
    z: int,
    shape: tuple[int, int],
    pixel_nm: tuple[float, float],
) -> np.ndarray:
    """Return the optical density of a slice's curtains, in the channel that shows them most.

    Across, the density of each is depth / (1 + (d / w)^2) at distance d from its middle; down, it
    fades exponentially.
    """
    density = np.zeros(shape)
    y_nm = np.arange(shape[0]) * pixel_nm[0]
    slope = math.tan(math.radians(settings.curtain_slant_deg))
    for curtain in curtains:
        depth = curtain.strength(z)
        first = max(math.ceil(curtain.y_nm / pixel_nm[0]), 0)
        if depth == 0 or first >= shape[0]:
            continue
        down = y_nm[first:] - curtain.y_nm
        middle = curtain.x_nm + slope * down
        reach = PROFILE_REACH * curtain.width_nm
        left = max(int((middle.min() - reach) / pixel_nm[1]), 0)
        right = min(math.ceil((middle.max() + reach) / pixel_nm[1]) + 1, shape[1])
        if left >= right:
            continue
        away = np.arange(left, right) * pixel_nm[1] - middle[:, None]
        fading = np.exp(-down / settings.curtain_reach_nm)[:, None]
        density[first:, left:right] += depth * fading / (1.0 + (away / curtain.width_nm) ** 2)
    return density


def shadow(
    settings: TwinParameters,
    z: int,
    phases: tuple[float, float],
    shape: tuple[int, int],
    channel: int = 0,
) -> np.ndarray:
    """Return the factor by which the trench reduces the signal: most at the bottom of the face.

    At depth t (0 to 1) a share (1 - q) t + q t^2 of `shadowing` is lost; that and a slope across
    vary slowly with z. The effect is described by Fager et al., Microsc. Microanal. 26 (2020), on
    optimising FIB-SEM tomography of porous materials.
    """
    strength = settings.of_channel("shadowing", channel)
    turn = 2.0 * math.pi * z / settings.shadow_slices
    deep = strength * (1.0 + SWING * math.sin(turn + phases[0]))
    lean = strength * SWING * math.sin(turn + phases[1])
    down = ((np.arange(shape[0]) + 0.5) / shape[0])[:, None]
    across = (np.arange(shape[1]) + 0.5) / shape[1] - 0.5
    lost = deep * ((1.0 - QUADRATIC) * down + QUADRATIC * down**2) + lean * across
    return (1.0 - lost).astype(np.float32)
