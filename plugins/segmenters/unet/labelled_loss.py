"""Losses over those voxels of a batch that have a label."""

from __future__ import annotations

import torch
from torch import nn

from fib_plugins.unlabelled import UNLABELLED

SMOOTH = 1e-5
"""Added to numerator and denominator of the Dice loss, as in MONAI."""


class LabelledLoss(nn.Module):
    """Dice loss, cross entropy, or their sum, of the labelled voxels of a batch.

    With every voxel labelled, the Dice loss is that of `monai.losses.DiceLoss` over the batch, with
    softmax and one-hot targets (Milletari et al., 3DV 2016, with sums in the denominator). The
    cross entropy is a mean over labelled voxels.

    Args:
        dice: weight of the Dice loss.
        cross_entropy: weight of the cross entropy.
    """

    def __init__(self, dice: float, cross_entropy: float) -> None:
        super().__init__()
        self.dice, self.cross_entropy = dice, cross_entropy

    def forward(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the loss; 0 if there is no label.

        Args:
            scores: before softmax, axes (patch, class, [z,] y, x).
            target: class of each voxel or `UNLABELLED`, axes (patch, 1, [z,] y, x), int64.
        """
        known = target != UNLABELLED
        classes = torch.where(known, target, 0)
        logarithms = scores.log_softmax(dim=1)
        count = known.sum().clamp(min=1)
        loss = torch.zeros((), device=scores.device)
        if self.cross_entropy:
            own = logarithms.gather(1, classes)
            loss = loss - self.cross_entropy * (own * known).sum() / count
        if self.dice:
            space = [0, *range(2, scores.dim())]
            found = logarithms.exp() * known
            true = torch.zeros_like(found).scatter_(1, classes, known.to(found.dtype))
            overlap = (found * true).sum(space)
            both = found.sum(space) + true.sum(space)
            score = (2.0 * overlap + SMOOTH) / (both + SMOOTH)
            loss = loss + self.dice * (1.0 - score.mean())
        return loss
