"""Monte Carlo counts of few electrons, for teaching a surrogate and for checking it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from fib_plugins.electrons.tally import DEPTH_UNIT_NM, SHARE_UNIT, Tally
from fib_plugins.simulators.imaging_of_slices import imagers_of
from fib_plugins.simulators.monte_carlo import MonteCarlo, digest_of
from fib_plugins.simulators.monte_carlo_parameters import ImagingParameters
from fib_plugins.simulators.surrogate.known import USUAL_SPREAD
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fibcore import Context, Labels


@dataclass(frozen=True)
class Counts:
    """What comes back from some pixels.

    Attributes:
        yields: electrons that count, or their share of the energy, per incident electron: float32
            (channel, pixel), or (channel, slice, y, x).
        depths_nm: mean over them of the largest depth they reached, likewise; 0 where none counts.
        variances: unbiased estimates of the variances of yields by counting, likewise; None where
            counts are binomial.
    """

    yields: np.ndarray
    depths_nm: np.ndarray
    variances: np.ndarray | None = None


def count_pixels(
    params: SurrogateParameters,
    labels: Labels,
    phases: list[int],
    pixels: np.ndarray,
    electrons: int,
    context: Context,
) -> Counts:
    """Return the counts of pixels (pixel, 3), in axes (z, y, x), anywhere in a structure."""
    if params.counts_secondary:
        return _in_halves(partial(_pixels, params, labels, phases, pixels), electrons, context)
    return _pixels(params, labels, phases, pixels, electrons, context)


def _pixels(
    params: SurrogateParameters,
    labels: Labels,
    phases: list[int],
    pixels: np.ndarray,
    electrons: int,
    context: Context,
) -> Counts:
    tallies = []
    for imager in _imagers(params, electrons, labels, phases, context, device="cpu"):
        tallies.append(imager.count(pixels))
        context.progress(len(tallies), len(params.energies_kev), "voltages checked")
    return _counts(params, tallies, electrons, (len(pixels),))


def count_slices(
    params: SurrogateParameters,
    labels: Labels,
    phases: list[int],
    slices: list[int],
    electrons: int,
    context: Context,
) -> Counts:
    """Return the counts of whole slices of a structure."""
    _, height, width = labels.shape
    tallies = []
    for imager in _imagers(params, electrons, labels, phases, context, device=context.device):
        found = [tally for _, tally in imager.images(slices, (0, height), (0, width))]
        tallies.append(Tally(*(np.concatenate(part) for part in zip(*found, strict=True))))
    return _counts(params, tallies, electrons, (len(slices), height, width))


def count_slices_in_halves(
    params: SurrogateParameters,
    labels: Labels,
    phases: list[int],
    slices: list[int],
    electrons: int,
    context: Context,
) -> Counts:
    """Return the counts of whole slices, with the variances of yields."""
    return _in_halves(partial(count_slices, params, labels, phases, slices), electrons, context)


def variances_of(counts: Counts, secondary: np.ndarray, electrons: int) -> np.ndarray:
    """Return estimates of the variances of yields by counting, of their shape.

    Args:
        counts: the counts.
        secondary: for each channel, whether it counts secondary electrons. Of others the variance
            is that of a binomial, estimated from its count without bias.
        electrons: electrons per pixel.
    """
    yields = counts.yields
    found = yields * (1.0 - yields) / max(electrons - 1, 1)
    measured = counts.variances
    if measured is None:
        measured = np.float32(USUAL_SPREAD) * yields / electrons
    found[secondary] = measured[secondary]
    return np.asarray(found, np.float32)


def _in_halves(count: Callable[[int, Context], Counts], electrons: int, context: Context) -> Counts:
    """Return counts whose variance is known without a model: two parts differ by noise alone."""
    seeds = context.rng_for("halves").integers(2**63, size=2).tolist()
    parts = (electrons // 2, electrons - electrons // 2)
    one, other = (
        count(
            part,
            Context(
                seed,
                device=context.device_asked,
                threads=context.threads,
                scratch=context.scratch,
                log=context.log,
            ),
        )
        for part, seed in zip(parts, seeds, strict=True)
    )
    first, second = (np.float32(part / electrons) for part in parts)
    counted = first * one.yields, second * other.yields
    depths = counted[0] * one.depths_nm + counted[1] * other.depths_nm
    total = counted[0] + counted[1]
    return Counts(
        total,
        depths / np.maximum(total, np.float32(1e-9)),
        (one.yields - other.yields) ** 2 * first * second,
    )


def _imagers(
    params: SurrogateParameters,
    electrons: int,
    labels: Labels,
    phases: list[int],
    context: Context,
    device: str,
) -> list[Any]:
    """Return the imager of each voltage, which serves all detectors."""
    shared = {name: getattr(params, name) for name in ImagingParameters.model_fields}
    simulator = MonteCarlo(
        **shared | {"slices": None, "region": None}, electrons_per_pixel=electrons
    )
    around = Context(
        context.seed,
        device=device,
        threads=context.threads,
        scratch=context.scratch / "counting",  # for a large structure
        log=context.log,
    )
    phases = simulator.with_below(phases, labels)
    channels = list(range(len(simulator.energies_kev)))
    structure = digest_of(labels, phases)
    imagers = imagers_of(simulator, labels, phases, channels, structure, around)
    return [imagers[channel] for channel in channels]


def _counts(
    params: SurrogateParameters, tallies: list[Tally], electrons: int, shape: tuple[int, ...]
) -> Counts:
    weighed = params.detector_weighting == "energy"
    each = [t.of_detector(d) for d in range(len(params.detectors)) for t in tallies]
    yields = [t.shares * SHARE_UNIT if weighed else t.counts for t in each]
    depths = [t.depths * DEPTH_UNIT_NM / np.maximum(t.counts, 1) for t in each]
    arrays = [
        np.stack(part).reshape(len(each), *shape).astype(np.float32) for part in (yields, depths)
    ]
    return Counts(arrays[0] / np.float32(electrons), arrays[1])
