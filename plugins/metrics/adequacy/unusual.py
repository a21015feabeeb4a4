"""How unusual each of some stacks is among the others, and how its patches can be separated.

The measured stack takes part like any other: if it comes from the same world, each of the stacks is
as likely as the others to be the most unusual one, by any measure of that. The share of
the stacks that are at least as unusual as the measured one is therefore an exact p value. It is a
permutation test that permutes whole stacks, since patches of one stack are not independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fibcore.threads import one_blas_thread

SHRINKAGE = 0.1
"""Weight of the diagonal in the covariance of the means of stacks."""
FARTHEST = 6.0
"""Features of patches are kept within so many deviations of their median."""
FOLDS = 4
"""Number of parts of the other stacks, each left out of the training once."""


@dataclass(frozen=True, eq=False)
class Looks:
    """Features of the patches of several stacks, all on one scale.

    Attributes:
        patches: of each stack, axes (patch, feature).
        halves: of each stack, 0 or 1 for each patch; see `Patches`.
        groups: name of the group of each feature.
    """

    patches: list[np.ndarray]
    halves: list[np.ndarray]
    groups: list[str]

    @classmethod
    def of(
        cls, found: Sequence[np.ndarray], halves: Sequence[np.ndarray], groups: Sequence[str]
    ) -> Looks:
        """Scale features by median and spread over the patches of all stacks together."""
        low, middle, high = np.quantile(np.concatenate(found), (0.16, 0.5, 0.84), axis=0)
        scale = np.maximum((high - low) / 2, 1e-6 * (1 + np.abs(middle)))
        scaled = [np.clip((each - middle) / scale, -FARTHEST, FARTHEST) for each in found]
        return cls(scaled, list(halves), list(groups))

    @property
    def group_names(self) -> list[str]:
        """Names of the groups, in the order of the features."""
        return list(dict.fromkeys(self.groups))

    @one_blas_thread
    def distances(self) -> np.ndarray:
        """Return how far each stack is from the others in each group: axes (stack, group).

        It is the Mahalanobis distance of its mean over patches from the means of the others, with
        their covariance (with `SHRINKAGE`), divided by its median over the stacks.
        """
        means = np.array([each.mean(axis=0) for each in self.patches])
        distances = np.empty((len(means), len(self.group_names)))
        for number, name in enumerate(self.group_names):
            own = means[:, [group == name for group in self.groups]]
            for stack in range(len(own)):
                others = np.delete(own, stack, axis=0)
                away = own[stack] - others.mean(axis=0)
                distances[stack, number] = np.sqrt(away @ _solved(_covariance(others), away))
        return distances / np.maximum(np.median(distances, axis=0), 1e-12)

    @one_blas_thread
    def separations(self) -> np.ndarray:
        """Return how far a classifier separates the patches of each stack from all others.

        It is the distance of the mean scores of a linear discriminant in standard deviations of
        the scores, divided by its median over the stacks. Unlike the area under the ROC curve it
        does not end where all patches are separated.
        """
        found = []
        for stack, own in enumerate(self.patches):
            rest = np.concatenate(self.patches[:stack] + self.patches[stack + 1 :])
            away, within = own.mean(axis=0) - rest.mean(axis=0), _within(own, rest)
            found.append(np.sqrt(away @ _solved(within, away)))
        return np.array(found) / max(float(np.median(found)), 1e-12)

    def unusual(self) -> np.ndarray:
        """Return how unusual each stack is, 1 for a typical one.

        It is the root mean square of its distances in the groups, and of its separation, which
        counts as much as all groups together: means of many patches show small differences in what
        is the same in all stacks, single patches large ones in what varies from stack to stack.
        """
        of_groups = np.mean(self.distances() ** 2, axis=1)
        return np.sqrt((of_groups + self.separations() ** 2) / 2)

    @one_blas_thread
    def separated(self, stack: int) -> tuple[float, np.ndarray]:
        """Return how well the patches of a stack can be separated from those of others.

        A linear discriminant (Fisher, Annals of Eugenics 7 (1936) 179-188) is trained on half of
        the blocks of the stack and most of the other stacks, and tested on the other half and on
        the stacks left out.

        Returns:
            The area under the ROC curve: the probability that a patch of the stack gets a higher
            score than one of another stack, each left out of the training; and for each patch the
            probability that it is of the stack rather than of one of the others, both being
            equally frequent.
        """
        others = [number for number in range(len(self.patches)) if number != stack]
        own, halves = self.patches[stack], self.halves[stack]
        probability, areas = np.zeros(len(own)), []
        for fold in range(min(FOLDS, len(others))):
            left_out = others[fold::FOLDS]
            rest = np.concatenate([self.patches[k] for k in others if k not in left_out])
            test = np.concatenate([self.patches[k] for k in left_out])
            centre = rest.mean(axis=0)
            for half in (0, 1):
                seen, unseen = halves != half, halves == half
                middle = own[seen].mean(axis=0)
                weights = _solved(_within(own[seen], rest), middle - centre)
                offset = weights @ (middle + centre) / 2
                scores = own[unseen] @ weights - offset
                areas.append(area_under_curve(scores, test @ weights - offset))
                probability[unseen] += 1.0 / (1.0 + np.exp(-np.clip(scores, -500, 500)))
        return float(np.mean(areas)), probability / min(FOLDS, len(others))


def p_value(measured: float, others: np.ndarray) -> float:
    """Return the share of the stacks, the measured one included, that are at least as unusual."""
    return float((1 + np.count_nonzero(others >= measured)) / (1 + len(others)))


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Return the probability that a positive score is above a negative one; ties count half."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.mean() / (2 * len(negative)))


def _covariance(means: np.ndarray) -> np.ndarray:
    return _shrunk(np.atleast_2d(np.cov(means.T)))


def _within(own: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """Return the mean covariance of patches of a stack and of others."""
    return _shrunk(0.5 * (np.cov(own.T) + np.cov(rest.T)))


def _shrunk(covariance: np.ndarray) -> np.ndarray:
    """Return a covariance that can be inverted."""
    diagonal = np.diag(np.diag(covariance))
    floor = 1e-6 * (1.0 + np.trace(covariance) / len(covariance))
    return (1 - SHRINKAGE) * covariance + SHRINKAGE * diagonal + floor * np.eye(len(covariance))


def _solved(matrix: np.ndarray, vector: np.ndarray) -> np.ndarray:
    solution: np.ndarray = np.linalg.solve(matrix, vector)
    return solution
