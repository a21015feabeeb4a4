"""Segmentation by a random forest on local image features, slice by slice or in the volume."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from fib_plugins.segmenters.random_forest.parameters import RandomForestParameters
from fib_plugins.segmenters.segmentation import Segmentation, specs
from fib_plugins.segmenters.training_data import (
    TrainingData,
    TrainingInfo,
    check_same_volume,
    class_of_phase,
)
from fib_plugins.threads import bytes_in_threads, in_threads, threads_for
from fibcore import (
    Context,
    FibError,
    Images,
    Labels,
    Model,
    Segmenter,
    Table,
    Trainable,
    VolumeSpec,
    keeps,
)
from fibcore.models import Shape
from fibcore.plugin import Forecast

SLAB_VOXELS = 2**20
"""Number of voxels, in whole slices, that each thread works on at a time."""
TILE_PIXELS = {"2d": 2**21, "3d": 2**20}
"""Pixels of a slice that a thread works on at a time, in whole rows."""
FILTER_PLANES = {"2d": 15, "3d": 40}
"""Number of images that the filters hold at a time, per slice of the slab; measured."""
NODE_BYTES = 150
"""Memory of a node of a tree: scikit-learn's, and ours during the conversion."""
NODES_PER_VOXEL = 1 / 3
"""Nodes of a tree per training voxel: 0.03 to 0.25 measured, more if phases look similar."""


class RandomForest(Trainable, RandomForestParameters, Segmenter):
    """Random forest on local image features, as in ilastik and Trainable Weka.

    Features are grey values smoothed at several scales, their gradients and their curvatures
    (eigenvalues of the Hessian matrix), of every voltage. By default they are computed in each
    slice by itself, as in these tools. `slices_above` and `slices_below` add the smoothed grey
    values of neighbouring slices; with `dimensions` ``3d`` all filters work in the volume, where
    Gaussians extend as many nm along z as in the plane. Beyond the edges of the stack the outermost
    voxels are repeated.

    A forest (Breiman, Machine Learning 45 (2001) 5-32; scikit-learn's) is trained on voxels drawn
    at random from a labelled stack; a voxel gets the phase that is most probable on average over
    its trees. It learns in seconds and is the baseline for networks.
    """

    name: ClassVar[str] = "random_forest"
    apply_params: ClassVar[frozenset[str]] = frozenset({"normalization", "save_probability"})
    info_type: ClassVar[type[TrainingInfo]] = TrainingInfo
    learner: ClassVar[str] = "forest"

    def _features(self) -> Any:
        from fib_plugins.segmenters.random_forest.local_features import LocalFeatures

        in_volume = self.dimensions == "3d"
        return LocalFeatures(self.sigmas_px, in_volume, self.slices_above, self.slices_below)

    def _features_per_channel(self) -> int:
        responses = 4 if self.dimensions == "2d" else 5
        return len(self.sigmas_px) * (responses + self.slices_above + self.slices_below)

    # -- before a run --------------------------------------------------------------------------

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse different shapes, slices smaller than the features, and other channels."""
        images = inputs.get("images")
        if images is None:
            return super().forecast(method, inputs)
        self._check_size(images.shape)
        slabs = bytes_in_threads(self._slab_bytes(images))
        if method != "fit":
            phases: dict[int, str] = {}
            if self.fitted:
                self._training_data.check_channels(images.channels)
                phases = self._training_data.phase_names
            output, kept = specs(images, phases, self.save_probability)
            return Forecast(output, kept, memory_bytes=slabs)
        labels = inputs.get("labels")
        model = None
        if labels is not None:
            check_same_volume(images.shape, labels.shape)
            info = TrainingData.known_before_run(images, labels)
            if info is not None:
                model = Model(self.identifier(), self.model_dump(mode="json"), info=info)
        voxels = min(self.sample_voxels, int(np.prod(images.shape)))
        nodes = int(NODES_PER_VOXEL * self.trees * voxels / self.min_samples_leaf)
        sample = 4 * voxels * self._features_per_channel() * len(images.kv)
        return Forecast(memory_bytes=max(slabs, NODE_BYTES * nodes) + 2 * sample, model=model)

    def _slab_bytes(self, images: VolumeSpec) -> int:
        """Return the memory that a thread needs for its slab, or the rows of it in work."""
        depth, height, width = images.shape
        around = 2 * (4 * int(self.sigma_max) + 4)
        height = min(height, len(self._rows(images.shape)[0]) + around)
        channels, thickness = len(images.kv), min(depth, self._thickness(images.shape))
        if self.dimensions == "2d":
            read = thickness + self.slices_above + self.slices_below
            held = len(self.sigmas_px) + 2
        else:
            size_z, size_y, size_x = images.voxel_size_nm
            read = thickness + int(8 * self.sigma_max * np.sqrt(size_y * size_x) / size_z)
            held = 3
        own = channels * self._features_per_channel() + FILTER_PLANES[self.dimensions]
        return int(4 * height * width * (thickness * own + min(depth, read) * held))

    @staticmethod
    def _thickness(shape: tuple[int, int, int]) -> int:
        return max(1, SLAB_VOXELS // (shape[1] * shape[2]))

    def _rows(self, shape: tuple[int, int, int]) -> list[range]:
        """Return the rows of a slice that are worked on at a time."""
        _, height, width = shape
        rows = max(1, TILE_PIXELS[self.dimensions] // width)
        return [range(y, min(y + rows, height)) for y in range(0, height, rows)]

    def _check_size(self, shape: tuple[int, int, int]) -> None:
        depth, height, width = shape
        if min(height, width) < 2 * self.sigma_max:
            raise FibError(
                f"the slices have {height} x {width} pixels (y, x), too small for features of "
                f"{self.sigma_max:g} pixels: use a sigma_max of at most "
                f"{min(height, width) / 2:g}, or larger images"
            )
        if self.dimensions == "3d" and depth < 2:
            raise FibError(
                "features in the volume need at least 2 slices; this stack has 1: use dimensions "
                "'2d', or more slices"
            )

    # -- work ----------------------------------------------------------------------------------

    @keeps(importances=Table, out_of_bag=Table)
    def fit(self, images: Images, labels: Labels, context: Context | None = None) -> Self:
        """Train on images of a known structure; keeps importances and accuracy.

        The table `importances` has the columns feature and importance (mean decrease of the Gini
        impurity, summing to 1), most important first. The table `out_of_bag` has the columns
        phase (``all`` first), voxels and accuracy_percent: the share of that phase's sampled voxels
        that are labelled correctly by the trees that were not trained on them. Neighbouring voxels
        are similar, so this is somewhat too high; use another structure to measure accuracy.

        Args:
            images: one channel per voltage.
            labels: the structure that was imaged; there is one class for each phase it names.
                Voxels without a label (255) are left out.
            context: surroundings of the step.

        Raises:
            FibError: shapes differ or are too small, images that are constant or not finite,
                labels with one phase only.
        """
        from fib_plugins.image_statistics.grey_scale import GreyScale
        from fib_plugins.segmenters.random_forest.forest import Forest
        from fib_plugins.segmenters.random_forest.training import train
        from fib_plugins.segmenters.random_forest.voxel_sample import draw_voxels

        context = Context.of(context)
        check_same_volume(images.shape, labels.shape)
        self._check_size(images.shape)
        classes = class_of_phase(labels)
        grey_scale = GreyScale.of(images, per_slice=self.normalization == "slice")
        balanced = self.sampling == "balanced"
        drawn = draw_voxels(labels, classes, self.sample_voxels, balanced, context)
        features = self._features()
        names = features.names(images.names)

        def of_drawn(z: range) -> tuple[np.ndarray, np.ndarray]:
            seen = [np.empty((len(drawn[k]), len(names)), np.float32) for k in z]
            for rows in self._rows(images.shape) if any(len(drawn[k]) for k in z) else ():
                of_tile = features.of(images, grey_scale, z, rows)
                for i, k in enumerate(z):
                    y, x = np.divmod(drawn[k], images.shape[2])
                    here = (y >= rows.start) & (y < rows.stop)
                    seen[i][here] = of_tile[:, i, y[here] - rows.start, x[here]].T
            own = [classes[labels.data[k].ravel()[drawn[k]]] for k in z]
            return np.concatenate(seen), np.concatenate(own)

        parts = self._in_slabs(of_drawn, images, context, "slices seen")
        inputs, targets = (np.concatenate(part) for part in zip(*parts, strict=True))
        trained = train(self, inputs, targets, context)
        phases = sorted(labels.phases)
        context.keep("importances", trained.importances_table(names))
        context.keep(
            "out_of_bag", trained.out_of_bag_table([labels.phases[p].name for p in phases])
        )
        info = TrainingData.record(images, labels, grey_scale)
        self._model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            weights=Forest.of(trained.classifier, len(phases)).weights(),
            info={**info, "features": names},
        )
        return self

    @keeps(probability=Images)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        """Return the most probable phase of each voxel.

        With `save_probability` it keeps `probability`: float32 from 0 to 1, a channel per phase.

        Raises:
            FibError: not fitted, a damaged model, another number of channels than in training,
                images that are too small, constant or not finite.
        """
        from fib_plugins.segmenters.random_forest.forest import Forest

        context = Context.of(context)
        trained_on = self._training_data
        images = trained_on.matched(images, context)
        self._check_size(images.shape)
        features, phases = self._features(), trained_on.phases
        forest = Forest.of_weights(*self._forest_parts)
        grey_scale = trained_on.grey_scale(images, self.normalization)
        result = Segmentation(images, phases, self.save_probability, context)

        def segment(z: range) -> None:
            for rows in self._rows(images.shape):
                of_tile = features.of(images, grey_scale, z, rows)
                result.add(z.start, forest.probability(of_tile), rows.start)

        self._in_slabs(segment, images, context, "slices segmented")
        return result.finish()

    def probability_of_slice(self, images: Images, z: int) -> np.ndarray:
        """Return the probability of each phase in a slice, float32 in axes (phase, y, x).

        Args:
            images: a stack with the channels of training, in their order.
            z: number of the slice.
        """
        from fib_plugins.segmenters.random_forest.forest import Forest

        forest, features = Forest.of_weights(*self._forest_parts), self._features()
        grey_scale = self._training_data.grey_scale(images, self.normalization)
        parts = [
            forest.probability(features.of(images, grey_scale, range(z, z + 1), rows))[:, 0]
            for rows in self._rows(images.shape)
        ]
        return np.concatenate(parts, axis=1)

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of the arrays of a forest of any size."""
        return {
            "tree_start": (None,),
            "feature": (None,),
            "threshold": (None,),
            "children": (None, 2),
            "share": (None, len(self.model.info["phases"])),
        }

    def check_model(self) -> None:
        """Refuse a model whose arrays are no forest of trees for these features and phases."""
        from fib_plugins.segmenters.random_forest.forest import Forest

        super().check_model()
        Forest.of_weights(*self._forest_parts)

    @property
    def _training_data(self) -> TrainingData:
        return TrainingData(self.model.info, self.learner)

    @property
    def _forest_parts(self) -> tuple[Mapping[str, np.ndarray], int, int]:
        """Return the arrays of the forest, and its numbers of features and of phases."""
        info = self.model.info
        features = self._features_per_channel() * len(info["kv"])
        return self.model.weights, features, len(info["phases"])

    def _in_slabs(
        self, work: Callable[[range], Any], images: Images, context: Context, what: str
    ) -> list[Any]:
        """Return work(slices) for all slabs, in order; several threads, one slab each."""
        depth, thick = images.shape[0], self._thickness(images.shape)
        slabs = [range(z, min(z + thick, depth)) for z in range(0, depth, thick)]
        found = []
        threads = threads_for(self._slab_bytes(images.spec), context.threads)
        for first in range(0, len(slabs), threads):
            group = slabs[first : first + threads]
            found += in_threads(work, group, threads)
            context.progress(group[-1].stop, depth, what)
        return found
