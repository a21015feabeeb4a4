"""Segmentation by a U-Net that looks at slices, at slices with their neighbours, or at blocks.

In porous materials a slice shows what lies below it, too: grey values alone cannot tell surface
from depth, but a network that sees the neighbouring slices can (paper, section 2.5).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from fib_plugins.segmenters.unet_parameters import UNetParameters
from fibcore import (
    Adapter,
    Context,
    FibError,
    Images,
    Labels,
    Material,
    Model,
    Segmenter,
    Table,
    Trainable,
    VolumeSpec,
    keeps,
)
from fibcore.plugin import Forecast

VOXEL_SIZE_TOLERANCE = 0.05

TRAINING_BYTES = 160
INFERENCE_BYTES = 100
"""Memory per voxel of a batch (window) and feature channel at full resolution; measured on the
CPU: 113 to 138 in training, 30 to 95 in inference."""


class UNet(Trainable, UNetParameters, Segmenter):
    """U-Net on slices (2d), slices with neighbours (2.5d) or blocks (3d).

    Where no labelled images of the microscope exist, there are two ways to make ready for its look.
    **Domain randomisation**: give `fit` ideal images of a known structure and, as `instrument`, a
    model of the microscope (`adapter/acquisition`, fitted to a stack of it). Training and
    validation then see the images as ever new random variants of the instrument record them, a
    batch several of them at once. **Adaptive batch normalisation**: `batch_norm` ``stack`` at
    inference. Both go together.

    Defaults are the training procedure of table 1 of the paper. Each voltage is an input channel;
    in 2.5d each neighbouring slice of each voltage is. Beyond the ends of the stack the end slice
    is repeated, and training cuts stacks short at random (`augment_ends`), so that the network
    knows ends. In trials the last slice of a stack then had 3 % wrong voxels; with mean grey in
    place of what is missing 6 to 10 %, without `augment_ends` 4 %, one slice further in 1 %.
    """

    name: ClassVar[str] = "unet"
    apply_params: ClassVar[frozenset[str]] = frozenset(
        {
            "normalization",
            "batch_size",
            "window",
            "overlap",
            "batch_norm",
            "save_probability",
            "precision",
            "cpu_threads",
        }
    )

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse stacks too small for the patch, and instruments for other channels."""
        if inputs.get("images") is None:
            return super().forecast(method, inputs)
        if method == "fit":
            return self._forecast_fit(inputs)
        return self._forecast_prediction(inputs["images"])

    def _forecast_fit(self, inputs: Mapping[str, Any]) -> Forecast:
        images, labels = inputs["images"], inputs.get("labels")
        instrument = inputs.get("instrument")
        if labels is not None:
            self._check_alike(images.shape, labels.shape)
        self._check_size(images.shape)
        recordings, recording = 1, 0
        if instrument is not None:
            recordings = self.instrument_variants
            told = instrument.forecast(instrument.main_method, {"images": images})
            recording = told.memory_bytes
        activations = TRAINING_BYTES * self.base_channels * self.voxels_per_batch
        stack = int(np.prod(images.shape)) * (4 * len(images.kv) * recordings + 1)
        memory = max(activations, recording) + stack
        return Forecast(memory_bytes=memory, model=self._foretold(images, labels))

    def _foretold(self, images: VolumeSpec, labels: VolumeSpec | None) -> Model | None:
        """Return what forecasts ask a model for, if the phases are known before the run."""
        if labels is None or not labels.phases:
            return None
        phases = {str(number): {"name": name} for number, name in labels.phases.items()}
        info = {"kv": list(images.kv), "phases": phases}
        return Model(self.identifier(), self.model_dump(mode="json"), info=info)

    def _forecast_prediction(self, images: VolumeSpec) -> Forecast:
        phases: dict[int, str] = {}
        classes = 2
        if self.fitted:
            self._check_channels(images.kv)
            phases = {int(n): material["name"] for n, material in self.model.info["phases"].items()}
            classes = len(phases)
        labels = VolumeSpec(Labels, images.shape, images.voxel_size_nm, phases=phases)
        kept = {}
        if self.save_probability:
            kept["probability"] = VolumeSpec(
                Images, images.shape, images.voxel_size_nm, (None,) * classes, "float32"
            )
        height, width = (min(self.window, n) for n in images.shape[1:])
        window = height * width * (1 if self.flat else self.patch_depth)
        activations = INFERENCE_BYTES * self.base_channels * max(window, self.voxels_per_batch)
        workers = max(1, (os.cpu_count() or 1) // self.cpu_threads) if self.flat else 1
        return Forecast(labels, kept, memory_bytes=activations * workers)

    def _check_alike(self, images: tuple[int, ...], labels: tuple[int, ...]) -> None:
        if images != labels:
            raise FibError(
                f"images have shape {images}, labels {labels} (z, y, x): they must show the same "
                f"volume; cut both alike, or train on the labels that were imaged"
            )

    def _check_size(self, shape: tuple[int, int, int]) -> None:
        depth, height, width = shape
        if min(height, width) < self.patch:
            raise FibError(
                f"the structure has {height} x {width} pixels (y, x), too small for a patch of "
                f"{self.patch}: use a patch of at most {min(height, width)} that can be halved "
                f"{self.depth} times, or a larger structure"
            )
        held_back = self.validation_slices(depth)
        needed = 1 if self.flat else self.patch_depth
        if depth - held_back < needed:
            advice = "fewer slices_above" if self.dimensions == "2.5d" else "a smaller patch_depth"
            raise FibError(
                f"the structure has {depth} slices, of which validation takes {held_back}; "
                f"training needs {needed} more: use a structure with at least "
                f"{held_back + needed} slices, a smaller validation_fraction, or {advice}"
            )

    def _check_channels(self, kv: tuple[float | None, ...]) -> None:
        trained = self.model.info["kv"]
        if len(kv) != len(trained):
            raise FibError(
                f"the images have {len(kv)} channels ({list(kv)} kV), but the network was trained "
                f"on {len(trained)} ({list(trained)} kV): choose the channels with kv, or train "
                f"another network"
            )

    def _phases(self) -> dict[int, Material]:
        phases = self.model.info["phases"]
        return {int(number): Material(**phases[number]) for number in sorted(phases, key=int)}

    # -- work ----------------------------------------------------------------------------------

    @keeps(history=Table)
    def fit(
        self,
        images: Images,
        labels: Labels,
        context: Context | None = None,
        *,
        instrument: Adapter | None = None,
    ) -> Self:
        """Train on images of a known structure; keeps the training history.

        The table `history` has the columns epoch, train_loss, validation_loss, validation_dice
        (mean over phases, all validation voxels), learning_rate. Training goes on from the
        checkpoint in the context's scratch folder, if there is one, and ends with the same bytes.

        Args:
            images: one channel per voltage.
            labels: the structure that was imaged; as many classes as it names phases.
            context: surroundings of the step.
            instrument: what records the images, which are ideal ones then: training sees them as
                `instrument_variants` random variants of it record them, validation as it does
                itself and other variants. Variants move nothing (see `Adapter.randomised`).

        Raises:
            FibError: shapes differ or are too small for the patch, images that are constant or
                not finite, labels with one phase only.
        """
        from fib_plugins.segmenters.unet_training import train
        from fib_plugins.training.runtime import cpu_threads

        context = Context.of(context)
        self._check_alike(images.shape, labels.shape)
        self._check_size(images.shape)
        with cpu_threads(self.cpu_threads):
            trained = train(self, images, labels, instrument, context)
        context.keep("history", Table.from_rows(trained.history))
        self._model = Model(
            plugin=self.identifier(),
            params=self.model_dump(mode="json"),
            weights=trained.weights,
            info={
                "kv": list(images.kv),
                "voxel_size_nm": list(images.voxel_size_nm),
                "phases": {
                    str(number): labels.phases[number].model_dump(mode="json")
                    for number in sorted(labels.phases)
                },
                "grey_centre": trained.grey_scale.centre.mean(axis=1).tolist(),
                "grey_scale": trained.grey_scale.scale.mean(axis=1).tolist(),
                "best_epoch": trained.best_epoch,
            },
        )
        return self

    @keeps(probability=Images)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        """Return the most probable phase of each voxel.

        With `save_probability` it keeps `probability`: float32 from 0 to 1, a channel per phase.

        Raises:
            FibError: not fitted, another number of channels than in training, images that are
                constant or not finite.
        """
        from fib_plugins.segmenters.unet_batch_norm import adapt
        from fib_plugins.segmenters.unet_inference import probabilities
        from fib_plugins.segmenters.unet_network import build_network
        from fib_plugins.training.runtime import cpu_threads
        from fib_plugins.training.weights import set_weights

        context = Context.of(context)
        images = self._as_trained(images, context)
        phases = self._phases()
        network = build_network(**self.network_params(len(images.kv), len(phases)), seed=0)
        set_weights(network, self.model.weights)
        numbers = np.array(list(phases), np.uint8)
        labels = context.empty("labels", images.shape, np.uint8)
        kept = None
        if self.save_probability:
            kept = context.empty("probability", (len(phases), *images.shape), np.float32)
        grey_scale = self._grey_scale(images)
        with cpu_threads(self.cpu_threads):
            if self.batch_norm == "stack":
                batch_size = self.model.params["batch_size"]
                adapt(self, network, images, grey_scale, batch_size, context)
            for z, slab in probabilities(self, network, images, grey_scale, context):
                stop = z + slab.shape[1]
                labels[z:stop] = numbers[slab.argmax(axis=0)]
                if kept is not None:
                    kept[:, z:stop] = slab
                context.progress(stop, images.shape[0], "slices segmented")
        if kept is not None:
            names = tuple(f"p({material.name})" for material in phases.values())
            context.keep(
                "probability",
                Images(kept, images.voxel_size_nm, (None,) * len(phases), names, "probability"),
            )
        return Labels(labels, images.voxel_size_nm, phases)

    def _as_trained(self, images: Images, context: Context) -> Images:
        """Return the images with channels in the order of training; warn of what differs."""
        info = self.model.info
        self._check_channels(images.kv)
        trained = info["kv"]
        if set(images.kv) == set(trained) and None not in trained:
            images = images.select(trained)
        if list(images.kv) != list(trained):
            context.log.warning(
                "the network was trained at %s kV, these images are at %s kV: shine-through "
                "differs; train on images at this voltage",
                trained,
                list(images.kv),
            )
        if not np.allclose(
            images.voxel_size_nm, info["voxel_size_nm"], rtol=VOXEL_SIZE_TOLERANCE, atol=0
        ):
            context.log.warning(
                "the network was trained on voxels of %s nm, these are %s nm (z, y, x): sizes "
                "it has learned do not fit; train on a structure with this voxel size",
                list(info["voxel_size_nm"]),
                list(images.voxel_size_nm),
            )
        return images

    def _grey_scale(self, images: Images) -> Any:
        from fib_plugins.image_statistics.grey_scale import GreyScale

        if self.normalization == "training":
            centre, scale = self.model.info["grey_centre"], self.model.info["grey_scale"]
            return GreyScale(np.array(centre)[:, None], np.array(scale)[:, None])
        return GreyScale.of(images, per_slice=self.normalization == "slice")
