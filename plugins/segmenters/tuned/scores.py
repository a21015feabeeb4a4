"""How well left-out labels are found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from fib_plugins.segmenters.unet.parameters import UNetParameters
from fib_plugins.segmenters.unet.patches import Patches, Variation, starts
from fib_plugins.unlabelled import UNLABELLED


@dataclass(frozen=True)
class Scores:
    """Scores of some labelled voxels; those of several parts add up.

    Attributes:
        loss: sum of their Brier scores (Brier, Monthly Weather Review 78 (1950) 1): half the
            squared distance of the probabilities from the truth, 0 to 1 per voxel. A single sure
            error cannot outweigh all others, as it can in the likelihood.
        confusion: number of voxels of each true (row) and found (column) class.
    """

    loss: float
    confusion: np.ndarray

    def __add__(self, other: Scores) -> Scores:
        """Return the scores of the voxels of both."""
        return Scores(self.loss + other.loss, self.confusion + other.confusion)

    @property
    def voxels(self) -> int:
        """Number of voxels."""
        return int(self.confusion.sum())

    def row(self) -> dict[str, Any]:
        """Return mean loss, misplaced voxels in %, mean Dice score of the classes that occur."""
        right = np.diag(self.confusion)
        both = self.confusion.sum(axis=0) + self.confusion.sum(axis=1)
        return {
            "labelled_voxels": self.voxels,
            "left_out_loss": self.loss / self.voxels,
            "left_out_mp_percent": 100.0 * (1.0 - float(right.sum()) / self.voxels),
            "left_out_dice": float(np.mean(2.0 * right[both > 0] / both[both > 0])),
        }


def total(parts: Iterable[Scores]) -> Scores:
    """Return the sum of some scores."""
    first, *others = parts
    for other in others:
        first = first + other
    return first


def scores_of(probability: np.ndarray, target: np.ndarray) -> Scores:
    """Return the scores of labelled voxels.

    Args:
        probability: axes (class, ...).
        target: class of each voxel, or `UNLABELLED`, in the axes after the first.
    """
    known = target != UNLABELLED
    classes = len(probability)
    own, found = target[known].astype(np.intp), probability[:, known].astype(np.float64)
    squares = (found**2).sum(axis=0) - 2.0 * found[own, np.arange(len(own))] + 1.0
    confusion = np.bincount(own * classes + found.argmax(axis=0), minlength=classes**2)
    return Scores(0.5 * float(squares.sum()), confusion.reshape(classes, classes))


def scores_of_network(module: nn.Module, patches: Patches) -> Scores:
    """Return the scores of a network on the labels of a stack.

    Patches overlap by half, and of each counts what is nearer to its centre than to others': it is
    seen with what is around it.
    """
    unet = patches.unet
    corners, owned = _overlapping(unet, patches)
    parts: list[Scores] = []
    unvaried = Variation.none(unet, len(corners), len(patches.volume))
    module.eval()
    with torch.inference_mode():
        for number, (inputs, target) in enumerate(patches.batches(corners, unvaried)):
            first = number * unet.batch_size
            own = target[:, 0].cpu().numpy()
            for box, plane in zip(owned[first:], own, strict=False):
                outside = np.ones(plane.shape, bool)
                outside[box[-plane.ndim :]] = False
                plane[outside] = UNLABELLED
            probability = module(inputs).float().softmax(dim=1).cpu().numpy()
            parts.append(scores_of(probability.swapaxes(0, 1), own))
    return total(parts)


def _overlapping(
    unet: UNetParameters, patches: Patches
) -> tuple[np.ndarray, list[tuple[slice, slice, slice]]]:
    """Return the corners (z, y, x) of patches with labels of their own, and what each owns."""
    known = patches.target[0].cpu().numpy() != UNLABELLED
    edges = (1 if unet.flat else unet.patch_depth, unet.patch, unet.patch)
    corners, owned = [], []
    z, y, x = (list(_cells(n, edge)) for n, edge in zip(known.shape, edges, strict=True))
    for z0, in_z, of_z in z:
        if not known[in_z].any():
            continue
        for y0, in_y, of_y in y:
            for x0, in_x, of_x in x:
                if known[in_z, in_y, in_x].any():
                    corners.append((z0, y0, x0))
                    owned.append((of_z, of_y, of_x))
    return np.array(corners), owned


def _cells(length: int, edge: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield the start of each patch along an axis, what it owns there, and within the patch."""
    begins = starts(length, edge, max(1, edge // 2))
    borders = [0, *((a + b + edge) // 2 for a, b in pairwise(begins)), length]
    for begin, (low, high) in zip(begins, pairwise(borders), strict=True):
        yield begin, slice(low, high), slice(low - begin, high - begin)
