"""Training of a random forest by scikit-learn, and tables of its importances and accuracy."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from fibcore import Context, Table

if TYPE_CHECKING:
    from fib_plugins.segmenters.random_forest.parameters import RandomForestParameters

TREES_AT_ONCE = 10
"""Number of trees grown between two reports of progress."""


@dataclass(frozen=True, eq=False)
class TrainedForest:
    """A fitted classifier and its training targets.

    Attributes:
        classifier: scikit-learn's.
        targets: class of each training voxel.
    """

    classifier: RandomForestClassifier
    targets: np.ndarray

    def importances_table(self, names: Sequence[str]) -> Table:
        """Return the mean decrease of impurity by each feature, most important first."""
        importances = self.classifier.feature_importances_
        order = np.argsort(-importances, kind="stable")
        return Table({"feature": np.array(names, object)[order], "importance": importances[order]})

    def out_of_bag_table(self, phases: Sequence[str]) -> Table:
        """Return the accuracy per phase of the trees that were not trained on a voxel.

        Args:
            phases: name of each class.
        """
        votes = self.classifier.oob_decision_function_
        counted = votes.sum(axis=1) > 0  # the others were in the training set of every tree
        found = self.classifier.classes_[votes.argmax(axis=1)]
        rows: list[dict[str, Any]] = []
        for number, name in enumerate(("all", *phases), start=-1):
            own = counted & ((self.targets == number) | (number < 0))
            right = np.count_nonzero(own & (found == self.targets))
            count = np.count_nonzero(own)
            accuracy = 100.0 * right / count if count else None
            rows.append({"phase": name, "voxels": count, "accuracy_percent": accuracy})
        return Table.from_rows(rows)


def train(
    params: RandomForestParameters, inputs: np.ndarray, targets: np.ndarray, context: Context
) -> TrainedForest:
    """Return a forest trained on voxels; the same for any number of threads.

    Args:
        params: number and depth of trees.
        inputs: float32, axes (voxel, feature).
        targets: class of each voxel.
        context: gives the seed and the number of threads.
    """
    classifier = RandomForestClassifier(
        max_depth=params.max_depth,
        min_samples_leaf=params.min_samples_leaf,
        n_jobs=context.threads,
        random_state=int(context.rng_for("forest").integers(2**31)),
        warm_start=True,
    )
    with warnings.catch_warnings():
        # With few trees, some voxels are in the training set of all: not counted, see above.
        warnings.filterwarnings("ignore", "Some inputs do not have OOB scores")
        for grown in (*range(TREES_AT_ONCE, params.trees, TREES_AT_ONCE), params.trees):
            classifier.set_params(n_estimators=grown, oob_score=grown == params.trees)
            classifier.fit(inputs, targets)
            context.progress(grown, params.trees, "trees grown")
    return TrainedForest(classifier, targets)
