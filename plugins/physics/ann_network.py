"""The network for backscatter coefficients: three numbers in, one out."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from torch import nn

from fib_plugins.backscatter.electron_range import kanaya_okayama_range_nm
from fibcore.materials import EPOXY

LAYERS = (3, 16, 32, 32, 32, 1)
"""Widths from the inputs to the output (Sardhara et al. 2025, section 2.3): 2753 weights."""


@dataclass(frozen=True)
class InputScale:
    """Scaling of energy, atomic number and depth to inputs of mean 0 and variance 1.

    They are log E, Z and the depth as a fraction of the electron range in epoxy (Kanaya and
    Okayama, see `electron_range`), at most 1: beyond half the range no electron returns, and eta is
    constant.

    Attributes:
        centre: offset subtracted from each of the three.
        scale: divisor of each of the three.
    """

    centre: tuple[float, float, float]
    scale: tuple[float, float, float]

    @classmethod
    def of(cls, energy_kev: np.ndarray, atomic_number: np.ndarray, depth_nm: np.ndarray) -> Self:
        """Return the scale by which the inputs of these rows have mean 0 and variance 1.

        An input that is the same in all rows is left unscaled.
        """
        found = _variables(energy_kev, atomic_number, depth_nm)
        (e, z, d), (de, dz, dd) = found.mean(axis=0).tolist(), found.std(axis=0).tolist()
        return cls((e, z, d), (de or 1.0, dz or 1.0, dd or 1.0))

    def apply(
        self, energy_kev: np.ndarray, atomic_number: np.ndarray, depth_nm: np.ndarray
    ) -> np.ndarray:
        """Return the inputs of rows, float64 (rows, 3)."""
        found = _variables(energy_kev, atomic_number, depth_nm)
        return np.asarray((found - np.array(self.centre)) / np.array(self.scale))


def _variables(
    energy_kev: np.ndarray, atomic_number: np.ndarray, depth_nm: np.ndarray
) -> np.ndarray:
    fraction = np.minimum(depth_nm / kanaya_okayama_range_nm(EPOXY, energy_kev), 1.0)
    return np.stack([np.log(energy_kev), atomic_number, fraction], axis=1)


def build_network(seed: int) -> nn.Module:
    """Return a network with random weights that depend on `seed` alone.

    GELU between the layers; a sigmoid at the end keeps the output within 0 to 1.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(LAYERS):
            layers += [nn.Linear(inputs, outputs), nn.GELU()]
        layers[-1] = nn.Sigmoid()
        return nn.Sequential(*layers)


def predict(network: nn.Module, inputs: np.ndarray) -> np.ndarray:
    """Return the output for inputs (rows, 3), float64 (rows,)."""
    network.eval()
    with torch.no_grad():
        found = network(torch.from_numpy(np.asarray(inputs, dtype=np.float32)))
    return found.numpy()[:, 0].astype(np.float64)
