"""Segmentation by a U-Net on slices, on slices with their neighbours, or on blocks.

In porous materials a slice also shows the structure below it: grey values alone cannot distinguish
surface from depth, but a network that sees the neighbouring slices can (paper, section 2.5).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from fib_plugins.segmenters.segmentation import Segmentation, specs
from fib_plugins.segmenters.training_data import TrainingData, TrainingInfo
from fib_plugins.segmenters.unet.forecasts import forecast_fit, inference_memory
from fib_plugins.segmenters.unet.parameters import UNetParameters
from fib_plugins.training.history import LOSSES, history_table
from fibcore import (
    Adapter,
    Context,
    FibError,
    Images,
    Labels,
    Model,
    Segmenter,
    Source,
    Table,
    Trainable,
    VolumeSpec,
    keeps,
)
from fibcore.models import Shape
from fibcore.plugin import Forecast
from fibcore.roles import Curve


class UNet(Trainable, UNetParameters, Segmenter):
    """U-Net on slices (2d), slices with neighbours (2.5d) or blocks (3d).

    If there are no labelled images of the microscope, there are two ways to prepare the network for
    their look. **Domain randomisation**: give `fit` ideal images of a known structure and, as
    `instrument`, a model of the microscope (`adapter/acquisition`, fitted to a stack of it).
    Training and validation then use the images as recorded by ever new random variants of the
    instrument, several of them in each batch. **Adaptive batch normalisation**: `batch_norm`
    ``stack`` at inference. Both can be combined.

    Defaults are the training procedure of table 1 of the paper. Each voltage is an input channel;
    in 2.5d each neighbouring slice of each voltage is one. Beyond the ends of the stack the end
    slice is repeated, and training cuts stacks short at random (`augment_ends`), so that the
    network learns about ends. In trials the last slice of a stack then had 3 % wrong voxels; with
    mean grey instead of repeated slices 6 to 10 %, without `augment_ends` 4 %, one slice further in
    1 %.
    """

    name: ClassVar[str] = "unet"
    result_version: ClassVar[int] = 3
    info_type: ClassVar[type[TrainingInfo]] = TrainingInfo
    learner: ClassVar[str] = "network"
    apply_params: ClassVar[frozenset[str]] = frozenset(
        {
            "normalization",
            "grey_shares",
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
        """Refuse stacks too small for the patch, and what does not fit the images."""
        if inputs.get("images") is None:
            return super().forecast(method, inputs)
        if method == "fit":
            return forecast_fit(self, inputs)
        return self._forecast_prediction(inputs["images"])

    def _forecast_prediction(self, images: VolumeSpec) -> Forecast:
        phases: dict[int, str] = {}
        if self.fitted:
            self._training_data.check_channels(images.channels)
            phases = self._training_data.phase_names
        labels, kept = specs(images, phases, self.save_probability)
        height, width = (min(self.window, n) for n in images.shape[1:])
        if self.norm == "instance" and self.is_single_pixel(height, width):
            raise FibError(
                f"the slices have {height} x {width} pixels (y, x), halved {self.depth} times a "
                f"single one, to which norm 'instance' cannot be applied: use slices of more than "
                f"{self.halvings} pixels, or a network with norm 'batch'"
            )
        return Forecast(labels, kept, memory_bytes=inference_memory(self, images))

    @property
    def _training_data(self) -> TrainingData:
        return TrainingData(self.model.info, self.learner)

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of the network's weights and running statistics."""
        from fib_plugins.segmenters.unet.network import build_network
        from fib_plugins.training.weights import shapes_of

        info = self.model.info
        params = self.network_params(len(info["kv"]), len(info["phases"]))
        return shapes_of(lambda: build_network(**params, seed=0))

    # -- work ----------------------------------------------------------------------------------

    @keeps(history=Table)
    def fit(
        self,
        images: Images | Source,
        labels: Labels | None = None,
        context: Context | None = None,
        *,
        instrument: Adapter | None = None,
        start: Segmenter | None = None,
    ) -> Self:
        """Train on images of a known structure; keeps the training history.

        The table `history` has the columns epoch, train_loss, validation_loss, validation_dice
        (mean over phases, all validation voxels), learning_rate. Training resumes from the
        checkpoint in the context's scratch folder, if there is one, and ends with the same bytes.

        Args:
            images: one channel per voltage; or a source, whose pairs have images and labels: each
                epoch trains on new ones, and validation uses others.
            labels: the structure that was imaged; there is one class for each phase it names. Where
                it is known in part, other voxels are 255: they are left out of loss, validation and
                shares of phases, and the last labelled slices validate.
            context: surroundings of the step.
            instrument: model of a microscope that records the images, which are ideal ones then:
                training uses recordings by `instrument_variants` random variants of it, validation
                by itself and by other variants. Variants move nothing (see `Adapter.randomised`).
            start: another U-Net, from whose weights and running statistics training starts, such
                as one trained on a first virtual world. Channels, phases and the parameters of the
                network must be the same.

        Raises:
            FibError: shapes differ or are too small for the patch, images that are constant or
                not finite, labels with one phase only, a start that does not fit.
        """
        from fib_plugins.segmenters.unet.start import check_is_fitted
        from fib_plugins.segmenters.unet.training import train
        from fib_plugins.training.runtime import cpu_threads
        from fib_plugins.training.team import in_team

        context = Context.of(context)
        specs = {"images": images, "labels": labels, "instrument": instrument, "start": start}
        self.forecast("fit", {n: getattr(v, "spec", v) for n, v in specs.items() if v is not None})
        if start is not None:
            check_is_fitted(start)
        with cpu_threads(self.cpu_threads):
            weights = None if start is None else start.as_model()
            trained = in_team(train, self, context, images, labels, instrument, weights)
        curves = {"validation_dice": Curve("dice", of="validation"), **LOSSES}
        context.keep("history", history_table(trained.history, trained.best_epoch, curves))
        self._model = Model(
            plugin=self.identifier(),
            params=self.model_dump(mode="json"),
            weights=trained.weights,
            info={**trained.info, "best_epoch": trained.best_epoch},
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
        from fib_plugins.segmenters.unet.balance import balanced
        from fib_plugins.segmenters.unet.batch_norm import adapt
        from fib_plugins.segmenters.unet.inference import segment
        from fib_plugins.segmenters.unet.network import build_network
        from fib_plugins.training.runtime import cpu_threads
        from fib_plugins.training.weights import set_weights

        context = Context.of(context)
        trained_on = self._training_data
        images = trained_on.matched(images, context)
        phases = trained_on.phases
        network = build_network(**self.network_params(len(images.kv), len(phases)), seed=0)
        set_weights(network, self.model.weights)
        grey_scale = trained_on.grey_scale(images, self.normalization)
        result = Segmentation(images, phases, self.save_probability, context)
        with cpu_threads(self.cpu_threads):
            if self.balances:
                grey_scale = balanced(self, network, images, grey_scale, trained_on, context)
            if self.batch_norm == "stack":
                batch_size = self.model.params["batch_size"]
                adapt(self, network, images, grey_scale, batch_size, context)
            for done in segment(self, network, images, grey_scale, result, context):
                context.progress(done, images.shape[0], "slices segmented")
        return result.finish()
