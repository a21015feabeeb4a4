"""Base of the GAN translators: adapters that learn the look of a target from unpaired images."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from fib_plugins.adapters.translation.inputs import (
    check_channels,
    check_labels,
    check_pair,
    check_patch,
    check_slices,
    image_warnings,
    pair_warnings,
    source_spec,
)
from fib_plugins.adapters.translation.parameters import (
    INFERENCE_BYTES,
    MOST_WORKERS,
    TranslationParameters,
)
from fib_plugins.channels import are_same, channels_of, in_order, info_of
from fib_plugins.training.history import LEARNING_RATE, history_table
from fibcore import (
    Adapter,
    Context,
    FibError,
    Forecast,
    Images,
    Labels,
    Model,
    Source,
    Table,
    Trainable,
    keeps,
)
from fibcore.models import ModelInfo, Shape
from fibcore.roles import Curve

if TYPE_CHECKING:
    from fib_plugins.adapters.translation.method import Method
    from fib_plugins.adapters.translation.trained import Trained

PositiveNumber = Annotated[float, Field(gt=0)]
Ranges = list[Annotated[list[float], Field(min_length=2, max_length=2)]]

TRAINING_BYTES = 900
"""Memory of training per pixel of a batch and feature channel at full resolution."""


class TranslatorInfo(ModelInfo):
    """The info of a translator's model."""

    kv: Annotated[list[float | None], Field(min_length=1)]
    detectors: list[str | None] = Field(default_factory=list)
    voxel_size_nm: Annotated[list[PositiveNumber], Field(min_length=3, max_length=3)]
    dtype: Literal["uint8", "uint16", "float32"]
    quantity: str
    source_range: Ranges
    target_range: Ranges

    @model_validator(mode="after")
    def _one_range_per_channel(self) -> Self:
        for name, ranges in (("source", self.source_range), ("target", self.target_range)):
            if len(ranges) != len(self.kv) or any(high <= low for low, high in ranges):
                raise ValueError(
                    f"{name}_range is to have a lower and a higher grey value for each of the "
                    f"{len(self.kv)} channels"
                )
        return self


class Translator(Trainable, TranslationParameters, Adapter):
    """Base of the GAN translators; subclasses define how the networks learn."""

    apply_params: ClassVar[frozenset[str]] = frozenset({"tile", "fast", "on_label_change"})
    info_type: ClassVar[type[TranslatorInfo]] = TranslatorInfo
    learner: ClassVar[str] = "network"

    @abstractmethod
    def method(self) -> type[Method]:
        """Return how the networks learn."""

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of the generator's weights."""
        from fib_plugins.adapters.translation.generators import build_generator, network_params
        from fib_plugins.training.weights import shapes_of

        channels, params = len(self.model.info["kv"]), network_params(self)
        return shapes_of(lambda: build_generator(channels=channels, **params, seed=0))

    # -- before a run --------------------------------------------------------------------------

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse stacks unfit for training; return the type of the result and memory."""
        if method == "fit":
            return self._forecast_fit(inputs)
        images, labels = inputs.get("images"), inputs.get("labels")
        if images is None:
            return super().forecast(method, inputs)
        check_labels(images, labels)
        check_slices(images, self.depth)
        output = images
        if self.fitted:
            check_channels(images, self.model.info)
            output = replace(images, dtype=self.model.info["dtype"])
            if are_same(images.channels, trained := channels_of(self.model.info)):
                output = output.of_channels(trained)
        edge = min(self.tile, max(images.shape[1:])) + self.patch
        activations = INFERENCE_BYTES * self.base_channels * edge**2
        workers = min(os.cpu_count() or 1, MOST_WORKERS)
        return Forecast(output, memory_bytes=activations * workers)

    def _forecast_fit(self, inputs: Mapping[str, Any]) -> Forecast:
        source, making = source_spec(inputs)
        target = inputs.get("target")
        for what, spec in (("source", source), ("target", target)):
            if spec is not None:
                check_patch(what, spec, self.patch, self.depth)
        if source is not None:
            check_labels(source, inputs.get("labels"))
        if source is None or target is None:
            return Forecast()
        check_pair(source, target)
        pixels = self.batch_size * self.patch**2
        return Forecast(
            # The next pairs are made while the networks learn; those in use are files.
            memory_bytes=TRAINING_BYTES * self.base_channels * pixels + making,
            warnings=tuple(pair_warnings(source, target)),
            model=Model(
                self.identifier(),
                self.model_dump(mode="json"),
                info={**info_of(source.channels), "dtype": target.dtype},
            ),
        )

    # -- work ----------------------------------------------------------------------------------

    @keeps(history=Table, samples=Images)
    def fit(
        self,
        source: Images | Source,
        target: Images,
        context: Context | None = None,
        *,
        labels: Labels | None = None,
    ) -> Self:
        """Learn to give images like the source the look of the target; keep history and samples.

        The table `history` has a row per epoch: losses (means over its steps; adversarial and
        discriminator losses are least-squares, 0.25 per discriminator that guesses), learning_rate,
        and of the validation slices the distances of `metric/domain_gap`, their sum
        ``validation_score``, and figures of `metric/label_consistency`; ``labels_kept`` is 1 if
        no problem was found. `samples` has one picture per epoch (along z): source, translation
        and target side by side, of the first voltage.

        Training resumes from the checkpoint in the context's scratch folder, if there is one, and
        ends with the same bytes. The best epoch is that with the lowest validation score among
        those that keep the labels.

        Args:
            source: images like those to be translated; or a source that makes such images, with
                their labels: each epoch trains on new ones, and validation uses others.
            target: images whose look they get, of another structure; one slice is enough.
            context: surroundings of the step.
            labels: labels of the source, to check that translations keep them. Without them
                Otsu's threshold of the source is used.

        Raises:
            FibError: different channel counts, slices smaller than a patch, images that are
                constant or not finite, a training that diverges.
        """
        from fib_plugins.adapters.translation.diagnostics import training_warnings
        from fib_plugins.adapters.translation.training import train
        from fib_plugins.training.runtime import cpu_threads
        from fib_plugins.training.team import in_team

        context = Context.of(context)
        given = {"source": source, "target": target, "labels": labels}
        specs = {name: getattr(v, "spec", v) for name, v in given.items() if v is not None}
        self.forecast("fit", specs)
        if "source" in specs and (spec := source_spec(specs)[0]) is not None:
            target = in_order(target, spec.channels, partial(context.empty, "channels-of-source"))
        with cpu_threads(self.cpu_threads):
            trained = in_team(train, self, context, self.method(), source, target, labels)
        curves = {"validation_score": Curve("score", of="validation"), **LEARNING_RATE}
        context.keep("history", history_table(trained.history, trained.best_epoch, curves))
        context.keep("samples", _album(trained))
        if not trained.source_range.overlaps(trained.target_range):
            context.log.info(
                "grey values of the source (%s) and of the target (%s) have nothing in common: "
                "each is scaled by its own quantiles",
                trained.source_range,
                trained.target_range,
            )
        for warning in training_warnings(trained):
            context.log.warning("%s", warning)
        self._model = Model(
            plugin=self.identifier(),
            params=self.model_dump(mode="json"),
            weights=trained.weights,
            info={
                **info_of(trained.source.channels),
                "target_kv": list(target.kv),
                "target_names": list(target.names),
                "voxel_size_nm": list(trained.source.voxel_size_nm),
                "dtype": target.data.dtype.name,
                "quantity": target.quantity,
                "source_range": trained.source_range.to_json(),
                "target_range": trained.target_range.to_json(),
                "best_epoch": trained.best_epoch,
                "distances_before": trained.before,
                "distances": trained.quality.distances,
                "problems": list(trained.quality.problems),
            },
        )
        return self

    def transform(
        self, images: Images, context: Context | None = None, *, labels: Labels | None = None
    ) -> Images:
        """Return the images with the look, grey scale and element type of the target.

        Some slices of the result are compared with those before (and the labels, if given).

        Args:
            images: images like the source.
            context: surroundings of the step.
            labels: their labels.

        Raises:
            FibError: not fitted, another number of channels than in training, values that are not
                finite or all outside the range of the source; and, unless `on_label_change` is
                ``warn``, a translation that swaps bright and dark or loses structure.
        """
        from fib_plugins.adapters.translation.diagnostics import labels_not_kept
        from fib_plugins.adapters.translation.generators import build_generator, network_params
        from fib_plugins.adapters.translation.grey_range import GreyRange
        from fib_plugins.adapters.translation.inference import translated
        from fib_plugins.training.weights import set_weights

        context = Context.of(context)
        self.forecast(
            "transform",
            {"images": images.spec, "labels": None if labels is None else labels.spec},
        )
        images = self._as_trained(images, context)
        info = self.model.info
        source_range = GreyRange.from_json(info["source_range"])
        target_range = GreyRange.from_json(info["target_range"])
        if not source_range.overlaps(GreyRange.of(images, "the stack")):
            raise FibError(
                f"the grey values of these images ({GreyRange.of(images, 'the stack')}) have "
                f"nothing in common with those that the translator was trained on "
                f"({source_range}): give images from the same simulator, on the same scale"
            )
        generator = build_generator(channels=len(images.kv), **network_params(self), seed=0)
        set_weights(generator, self.model.weights)
        data = context.empty("images", images.data.shape, info["dtype"])
        for z, plane in translated(self, generator, images, source_range, context):
            data[:, z] = target_range.restored(plane, data.dtype)
            context.progress(z + 1, images.shape[0], "slices translated")
        made = images.with_data(data, quantity=info["quantity"])
        if problems := labels_not_kept(made, images, labels, context):
            self._report(problems, context)
        return made

    def _report(self, problems: tuple[str, ...], context: Context) -> None:
        """Raise an error, or warn, about a translation that loses structure."""
        text = (
            f"the translation does not keep its labels: {'; '.join(problems)}. A segmenter "
            f"trained on it would learn wrong labels. Set structure_weight of {self.identifier()} "
            f"to {max(1.0, 3 * self.structure_weight):g}, train longer or with a smaller "
            f"learning_rate, or take a source that looks more like the target"
        )
        if self.on_label_change == "fail":
            raise FibError(f"{text}. To continue anyway, set on_label_change to 'warn'")
        context.log.warning("%s", text)

    def _as_trained(self, images: Images, context: Context) -> Images:
        """Return the images with channels in the order of training; warn of differences."""
        info = self.model.info
        empty = partial(context.empty, "channels-of-training")
        images = in_order(images, channels_of(info), empty)
        for warning in image_warnings(images.spec, info):
            context.log.warning("%s", warning)
        return images


def _album(trained: Trained) -> Images:
    return Images(
        trained.samples.astype(np.float32),
        trained.source.voxel_size_nm,
        (None,),
        ("source, translation, target",),
        "share of the grey-value range",
    )
