"""Grey scales as if a stack held as much of each phase as the images of training.

The mean grey value of a stack depends on how much solid it holds. Z-scores by mean and standard
deviation therefore shift a stack with more or less solid than in training, and a network takes
the shift for another material. Here a first pass segments slices spread over the stack; then mean
and variance are those of a mixture of its phases in the shares of training. No other program with
this step was found; re-weighting by the frequency of classes is common in the theory of label shift
(Saerens, Latinne, Decaestecker, Neural Computation 14 (2002) 21).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from fib_plugins.image_statistics.grey_scale import GreyScale
from fib_plugins.segmenters.segmentation import Segmentation
from fib_plugins.segmenters.training_data import TrainingData
from fibcore import Context, Images

if TYPE_CHECKING:
    from fib_plugins.segmenters.unet.parameters import UNetParameters

BLOCKS, BLOCK = 6, 8
"""Number of blocks of neighbouring slices of the first pass, and fewest slices of one."""
LEAST_SHARE = 0.01
"""Share of a phase below which its grey values are not known."""


def balanced(
    unet: UNetParameters,
    network: nn.Module,
    images: Images,
    grey_scale: GreyScale,
    trained_on: TrainingData,
    context: Context,
) -> GreyScale:
    """Return the grey scale with the phases in the shares of training.

    Where a phase is hardly found, in the stack or in training, nothing is known of it and the grey
    scale is returned as it is.

    Args:
        unet: the parameters.
        network: the trained network.
        images: the stack to be segmented, channels as in training.
        grey_scale: that of the stack, or of its slices.
        trained_on: of the model.
        context: surroundings of the step.
    """
    wanted = np.array(trained_on.shares)
    if not len(wanted) or wanted.min() < LEAST_SHARE:
        return grey_scale
    slices = sampled(images.shape[0], BLOCK if unet.flat else max(BLOCK, unet.patch_depth))
    found = np.concatenate(
        [
            moments(
                images,
                grey_scale,
                z,
                _labels(unet, network, images, grey_scale, z, trained_on, context),
            )
            for z in slices
        ],
        axis=1,
    )
    return mixed(grey_scale, np.concatenate(slices), found, wanted, images.shape[0])


def sampled(depth: int, block: int) -> list[np.ndarray]:
    """Return the slices of blocks spread evenly over a stack, or all in one block if it is thin."""
    if depth <= BLOCKS * block:
        return [np.arange(depth)]
    first = np.linspace(0, depth - block, BLOCKS).astype(int)
    return [np.arange(z, z + block) for z in first]


def _labels(
    unet: UNetParameters,
    network: nn.Module,
    images: Images,
    grey_scale: GreyScale,
    slices: np.ndarray,
    trained_on: TrainingData,
    context: Context,
) -> np.ndarray:
    """Return the classes (number of the phase in its order) of a block, axes (slice, y, x)."""
    from fib_plugins.segmenters.unet.inference import segment

    silent = logging.Logger("fib.first_pass", logging.CRITICAL)
    inner = Context(
        0,
        device=context.device_asked,
        threads=context.threads,
        scratch=context.scratch / "first-pass",
        log=silent,
    )
    part = images.with_data(images.data[:, slices[0] : slices[-1] + 1])
    rows = slices if grey_scale.centre.shape[1] > 1 else slice(None)
    scale = GreyScale(grey_scale.centre[:, rows], grey_scale.scale[:, rows])
    result = Segmentation(part, trained_on.phases, False, inner)
    for done in segment(unet, network, part, scale, result, inner):
        context.progress(done, len(slices), "slices of a first pass")
    numbers = np.array(list(trained_on.phases))
    return np.searchsorted(numbers, result.arrays[0])


def moments(
    images: Images, grey_scale: GreyScale, slices: np.ndarray, classes: np.ndarray
) -> np.ndarray:
    """Return count, sum and sum of squares of the z-scores of each phase in each slice.

    Returns:
        axes (channel, slice, phase, moment), as many phases as `classes` has at most 256.
    """
    found = np.zeros((len(images.data), len(slices), 256, 3))
    for i, z in enumerate(slices):
        scores = grey_scale.apply(images, [z])[:, 0].astype(np.float64)
        of = classes[i].ravel()
        for channel, plane in enumerate(scores):
            values = plane.ravel()
            for power, weights in enumerate((None, values, values**2)):
                found[channel, i, :, power] = np.bincount(of, weights, minlength=256)
    return found


def mixed(
    grey_scale: GreyScale,
    slices: np.ndarray,
    found: np.ndarray,
    wanted: Sequence[float] | np.ndarray,
    depth: int,
) -> GreyScale:
    """Return a grey scale by mean and standard deviation of a mixture of the phases.

    Args:
        grey_scale: that in which `found` was measured: of the stack, or of each slice.
        slices: those that were measured.
        found: see `moments`.
        wanted: share of each phase; they sum to 1.
        depth: number of slices of the stack.
    """
    shares = np.asarray(wanted, float)
    found = found[:, :, : len(shares)]
    if grey_scale.centre.shape[1] == 1:
        found = found.sum(axis=1, keepdims=True)
    counts = found[..., 0]
    known = (counts / counts.sum(axis=-1, keepdims=True)).min(axis=(0, -1)) >= LEAST_SHARE
    if not known.any():
        return grey_scale
    part = found[:, known]
    means, squares = (part[..., i] / part[..., 0] for i in (1, 2))
    centre = means @ shares
    spread = np.sqrt(np.maximum(squares @ shares - centre**2, 1e-12))
    if grey_scale.centre.shape[1] > 1:  # slices between those measured
        at, places = np.arange(depth), slices[known]
        centre = np.stack([np.interp(at, places, one) for one in centre])
        spread = np.stack([np.interp(at, places, one) for one in spread])
    return GreyScale(grey_scale.centre + grey_scale.scale * centre, grey_scale.scale * spread)
