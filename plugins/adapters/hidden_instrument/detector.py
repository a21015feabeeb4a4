"""The detector: counted electrons, limited bandwidth, an S-shaped response, grey levels."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

RESPONSE_REACH = 12.0
"""Time constants after which the response of the detector is cut off."""


def beam_flicker(strength: float, lines: int, rng: np.random.Generator) -> np.ndarray:
    """Return the beam current of each line, about 1: a random walk during the slice.

    From the first line to the last its logarithm gains the variance strength^2.
    """
    walk = np.cumsum(rng.standard_normal(lines)) * (strength / math.sqrt(lines))
    return np.exp(walk - walk.mean()).astype(np.float32)


def counted(
    signal: np.ndarray, electrons: float, spread: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the signal as counted by a detector whose response differs between electrons.

    Electrons arrive at random (Poisson); each gives a charge of mean 1 and variance `spread`,
    gamma distributed: the limit of the Polya distribution by which multipliers are described (J.
    R. Prescott, Nucl. Instrum. Methods 39 (1966) 173; noise of secondary electrons: L. Frank, J.
    Electron Microsc. 54 (2005) 361). The variance is s (1 + spread) / electrons.
    """
    arrived = rng.poisson(electrons * np.maximum(signal, 0.0))
    if spread > 0:
        charge = rng.standard_gamma(arrived / spread) * (spread / electrons)
    else:
        charge = arrived / electrons
    return charge.astype(np.float32)


def response_weights(time_constant: float) -> tuple[np.ndarray, int]:
    """Return the weights of a pixel and its predecessors in a reading, and the index of delay 0.

    A single pole, exp(-t / tau) / tau, for a signal that is constant during the dwell time of each
    pixel and averaged over it. Scanning corrects for the mean delay tau, so that edges do not move:
    the first moment of the weights is exactly zero. With T the delay beyond the mean, the weight of
    the signal k pixels before is the second difference of the mean of max(k - T, 0).

    Returns:
        weights of the delays -index, -index + 1, ...; index.
    """
    tau = time_constant
    index = math.ceil(tau) + 1
    delay = np.arange(-index - 1, index + math.ceil(RESPONSE_REACH * tau) + 2, dtype=float)
    later = np.maximum(delay + tau, 0.0)
    ramp = np.where(delay > -tau, later - tau * -np.expm1(-later / tau), 0.0)
    return np.diff(ramp, 2), index


def band_limited(signal: np.ndarray, time_constant: float) -> np.ndarray:
    """Return the signal after a detector with a time constant, pixels along x."""
    from scipy.ndimage import convolve1d

    weights, index = response_weights(time_constant)
    ahead, behind = index, len(weights) - 1 - index
    reach = max(ahead, behind)
    centred = np.zeros(2 * reach + 1)
    centred[reach - ahead : reach + behind + 1] = weights
    return convolve1d(signal, centred, axis=1, mode="nearest")


def s_shaped(level: np.ndarray, steepness: float) -> np.ndarray:
    """Return levels after a logistic response that leaves 0, 1/2 and 1 unchanged."""
    if steepness == 0:
        return level
    curve = 0.5 * np.tanh(0.5 * steepness * (level - 0.5))
    end = 0.5 * math.tanh(0.25 * steepness)
    return (0.5 + 0.5 * curve / end).astype(np.float32)


def digitised(level: np.ndarray, bits: Literal[8, 16]) -> np.ndarray:
    """Return levels from 0 to 1 as integers over all grey levels of so many bits."""
    steps = 2**bits
    grey = np.floor(np.clip(level, 0.0, 1.0) * steps)
    return np.minimum(grey, steps - 1).astype(np.uint8 if bits == 8 else np.uint16)
