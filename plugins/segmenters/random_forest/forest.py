"""A forest of decision trees as plain arrays: saved without pickles, evaluated by compiled code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from fib_plugins.compiled import compiled
from fibcore import FibError

VOXELS_AT_ONCE = 16384
"""Number of voxels that go through a tree before the next tree, to keep the tree in the cache."""
ABREAST = 8
"""Number of voxels that go down a tree side by side, which hides memory latency: half the time."""

DTYPES = {
    "tree_start": np.int64,
    "feature": np.int32,
    "threshold": np.float32,
    "children": np.int32,
    "share": np.float32,
}


@dataclass(frozen=True, eq=False)
class Forest:
    """Decision trees, their nodes one after another; a parent comes before its children.

    Attributes:
        tree_start: number of each tree's root, and last the number of nodes; int64.
        feature: number of the feature that each node tests; int32.
        threshold: the voxel goes left if the feature is not greater, else right; float32.
        children: numbers of the left and the right child, axes (node, side); a leaf's are its own;
            int32.
        share: share of each class in the training voxels of a node, axes (node, class); float32.
    """

    tree_start: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    children: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, classifier: Any, classes: int) -> Self:
        """Return the trees of a fitted `sklearn.ensemble.RandomForestClassifier`.

        Args:
            classifier: fitted to classes that are numbers from 0.
            classes: number of classes; those absent from training get probability 0.
        """
        trees = [estimator.tree_ for estimator in classifier.estimators_]
        starts = np.cumsum([0, *(tree.node_count for tree in trees)])
        features, thresholds, children, shares = [], [], [], []
        for start, tree in zip(starts, trees, strict=False):
            leaf = tree.children_left < 0
            sides = np.stack([tree.children_left, tree.children_right], axis=1)
            own = np.arange(tree.node_count)[:, None]
            share = np.zeros((tree.node_count, classes))
            share[:, classifier.classes_] = tree.value[:, 0]
            features.append(np.where(leaf, 0, tree.feature))
            thresholds.append(np.where(leaf, 0.0, _not_above(tree.threshold)))
            children.append(start + np.where(leaf[:, None], own, sides))
            shares.append(share / share.sum(axis=1, keepdims=True))
        nodes = [np.concatenate(part) for part in (features, thresholds, children, shares)]
        typed = zip((starts, *nodes), DTYPES.values(), strict=True)
        return cls(*(array.astype(dtype) for array, dtype in typed))

    @classmethod
    def of_weights(cls, weights: Mapping[str, np.ndarray], features: int, classes: int) -> Self:
        """Return the forest from the result of `weights`; check that every walk ends in a leaf.

        Raises:
            FibError: the arrays are no forest, or one for other features or classes.
        """
        try:
            forest = cls(**{name: weights[name] for name in DTYPES})
            sound = forest._is_sound(features, classes)
        except (KeyError, TypeError, ValueError):  # an array is missing, or of another rank
            sound = False
        if not sound:
            raise FibError(
                f"the model is no forest for {features} features and {classes} phases: it is "
                f"damaged, or was made by another program; train another forest"
            )
        return forest

    def _is_sound(self, features: int, classes: int) -> bool:
        nodes = len(self.threshold)
        shapes = [(len(self.tree_start),), (nodes,), (nodes,), (nodes, 2), (nodes, classes)]
        for (name, dtype), shape in zip(DTYPES.items(), shapes, strict=True):
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                return False
        sizes = np.diff(self.tree_start)
        ends = self.tree_start[:1].tolist() + self.tree_start[-1:].tolist()
        if ends != [0, nodes] or not len(sizes) or sizes.min() < 1:
            return False
        own, end = np.arange(nodes), np.repeat(self.tree_start[1:], sizes)
        left, right = self.children.T
        leaf = (left == own) & (right == own)
        inner = (left > own) & (right > own) & (left < end) & (right < end)
        return bool(
            (leaf | inner).all()
            and self.feature.min() >= 0
            and self.feature.max() < features
            and np.isfinite(self.threshold).all()
            and self.share.min() >= 0
            and np.allclose(self.share.sum(axis=1), 1.0, atol=1e-5)
        )

    def weights(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def probability(self, features: np.ndarray) -> np.ndarray:
        """Return the probability of each class: the mean over trees of the shares in their leaves.

        Args:
            features: float32, axes (feature, ...).

        Returns:
            float32 from 0 to 1, axes (class, ...).
        """
        result = np.empty((self.share.shape[1], features[0].size), np.float32)
        _walk(
            features.reshape(len(features), -1),
            self.tree_start,
            self.feature,
            self.threshold,
            self.children,
            self.share,
            result,
        )
        return result.reshape(-1, *features.shape[1:])


def _not_above(thresholds: np.ndarray) -> np.ndarray:
    """Return the largest float32 numbers not above these: they split float32 values equally."""
    nearest = thresholds.astype(np.float32)
    return np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)


@compiled
def _walk(
    features: np.ndarray,
    tree_start: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    children: np.ndarray,
    share: np.ndarray,
    result: np.ndarray,
) -> None:
    """Write the mean shares of the leaves where each voxel ends, axes (class, voxel)."""
    count, voxels = features.shape
    classes = share.shape[1]
    trees = len(tree_start) - 1
    rows = np.empty((VOXELS_AT_ONCE, count), np.float32)
    total = np.empty((VOXELS_AT_ONCE, classes), np.float64)
    at = np.empty(ABREAST, np.int64)
    for begin in range(0, voxels, VOXELS_AT_ONCE):
        number = min(VOXELS_AT_ONCE, voxels - begin)
        for f in range(count):
            for v in range(number):
                rows[v, f] = features[f, begin + v]
        total[:number] = 0.0
        for tree in range(trees):
            for first in range(0, number, ABREAST):
                abreast = min(ABREAST, number - first)
                at[:] = tree_start[tree]
                moving = True
                while moving:
                    moving = False
                    for i in range(abreast):
                        node = at[i]
                        right = int(rows[first + i, feature[node]] > threshold[node])
                        at[i] = children[node, right]
                        moving |= at[i] != node
                for i in range(abreast):
                    for c in range(classes):
                        total[first + i, c] += share[at[i], c]
        for c in range(classes):
            for v in range(number):
                result[c, begin + v] = total[v, c] / trees
