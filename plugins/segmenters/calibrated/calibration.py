"""Calibrations: functions from the probabilities of a segmenter to the shares of phases.

Temperature scaling (Guo, Pleiss, Sun and Weinberger, Int. Conf. on Machine Learning 2017) divides
the logarithms of the probabilities by a number; with a bias for each phase it can also move
the border between phases (Alexandari, Kundaje and Shrikumar, Int. Conf. on Machine Learning 2020;
for two phases this is Platt scaling). Isotonic regression (Zadrozny and Elkan, ACM SIGKDD 2002)
takes any function that does not fall, one for each phase, and scales their sum to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from fibcore.threads import one_blas_thread

Method = Literal["temperature", "temperature_and_bias", "isotonic"]
METHODS: tuple[Method, ...] = ("temperature", "temperature_and_bias", "isotonic")

LEAST = 1e-6
"""Probabilities are kept between this and one minus this before logarithms are taken."""
KNOTS = 129
"""Largest number of points of an isotonic function, at equal shares of the voxels."""
WEAKEST = 1e-3
"""Smallest factor of logarithms of probabilities: it lets nothing but the biases decide."""


class Calibration(Protocol):
    """Turns probabilities into calibrated ones."""

    def apply(self, probability: np.ndarray) -> np.ndarray:
        """Return float32 probabilities whose sum over phases is 1; axes (phase, ...)."""

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a model keeps of it."""


@dataclass(frozen=True)
class Scaling:
    """Logarithms of probabilities over a temperature, plus a bias for each phase.

    Attributes:
        temperature: above 1 where the segmenter is too sure.
        bias: of each phase; their sum is 0.
    """

    temperature: float
    bias: np.ndarray

    def apply(self, probability: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities; see `Calibration`."""
        logits = _logarithms(probability) / np.float32(self.temperature)
        logits += self.bias.astype(np.float32).reshape(-1, *[1] * (logits.ndim - 1))
        logits -= logits.max(axis=0)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=0)
        return logits

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a model keeps of it."""
        return {"temperature": np.array([self.temperature]), "bias": self.bias}

    @classmethod
    @one_blas_thread
    def fit(cls, probability: np.ndarray, phase: np.ndarray, biased: bool) -> Scaling:
        """Return the scaling with the largest likelihood, which is unique.

        Args:
            probability: axes (phase, voxel).
            phase: number of the true class of each voxel, 0, 1, ...
            biased: whether there are biases.
        """
        from scipy.optimize import minimize

        logs = _logarithms(probability).astype(np.float64)
        phases, count = logs.shape
        voxels = np.arange(count)
        shares = np.bincount(phase, minlength=phases) / count
        right = logs[phase, voxels].mean()

        def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
            factor, bias = values[0], np.append(values[1:], 0.0) if biased else np.zeros(phases)
            scores = factor * logs + bias[:, None]
            top = scores.max(axis=0)
            found = np.exp(scores - top)
            total = found.sum(axis=0)
            value = (np.log(total) + top).mean() - factor * right - bias @ shares
            found /= total
            slopes = [(found * logs).sum(axis=0).mean() - right]
            if biased:
                slopes += (found.mean(axis=1) - shares)[:-1].tolist()
            return float(value), np.array(slopes)

        start = np.zeros(phases if biased else 1)
        start[0] = 1.0
        limits = [(WEAKEST, None)] + [(-20.0, 20.0)] * (len(start) - 1)
        best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=limits).x
        bias = np.append(best[1:], 0.0) if biased else np.zeros(phases)
        return cls(float(1.0 / best[0]), bias - bias.mean())


@dataclass(frozen=True)
class Isotonic:
    """A function for each phase that does not fall, linear between points.

    Attributes:
        probabilities: of the segmenter, ascending, axes (phase, point).
        shares: of the phase, axes (phase, point).
    """

    probabilities: np.ndarray
    shares: np.ndarray

    def apply(self, probability: np.ndarray) -> np.ndarray:
        """Return calibrated probabilities; see `Calibration`."""
        found = np.empty(probability.shape, np.float32)
        for number, each in enumerate(probability):
            found[number] = np.interp(each, self.probabilities[number], self.shares[number])
        if len(found) == 2:  # the two functions mirror each other but for rounding
            found[0] = 1.0 - found[1]
            return found
        found /= found.sum(axis=0)
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what a model keeps of it."""
        return {"probabilities": self.probabilities, "shares": self.shares}

    @classmethod
    def fit(cls, probability: np.ndarray, phase: np.ndarray) -> Isotonic:
        """Return the functions with the smallest square error.

        Args:
            probability: axes (phase, voxel).
            phase: number of the true class of each voxel, 0, 1, ...
        """
        from scipy.optimize import isotonic_regression

        count = len(phase)
        borders = np.unique(np.linspace(0, count, min(KNOTS, count) + 1).astype(int))
        sizes = np.diff(borders)
        points, shares = [], []
        for number, each in enumerate(probability):
            order = np.argsort(each, kind="stable")
            true = (phase[order] == number).astype(np.float64)
            found = np.add.reduceat(each[order].astype(np.float64), borders[:-1]) / sizes
            # As if half a voxel more were of the phase and half a voxel were not: no certainty.
            share = (np.add.reduceat(true, borders[:-1]) + 0.5) / (sizes + 1.0)
            points.append(found)
            shares.append(isotonic_regression(share, weights=sizes).x)
        return cls(np.array(points), np.array(shares))


def fitted(method: Method, probability: np.ndarray, phase: np.ndarray) -> Calibration:
    """Return the calibration of a method for voxels; see `Scaling.fit` and `Isotonic.fit`."""
    if method == "isotonic":
        return Isotonic.fit(probability, phase)
    return Scaling.fit(probability, phase, biased=method == "temperature_and_bias")


def restored_calibration(method: Method, arrays: Mapping[str, np.ndarray]) -> Calibration:
    """Return the calibration that a model keeps."""
    if method == "isotonic":
        return Isotonic(arrays["probabilities"], arrays["shares"])
    return Scaling(float(arrays["temperature"].ravel()[0]), np.atleast_1d(arrays["bias"]))


def _logarithms(probability: np.ndarray) -> np.ndarray:
    logs: np.ndarray = np.log(np.clip(probability, LEAST, 1.0 - LEAST, dtype=np.float32))
    return logs
