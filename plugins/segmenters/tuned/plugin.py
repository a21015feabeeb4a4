"""Segmentation by a network that was trained on virtual stacks, tuned on a few labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from fib_plugins.segmenters.random_forest.plugin import RandomForest
from fib_plugins.segmenters.training_data import TrainingData, TrainingInfo, check_same_volume
from fib_plugins.segmenters.tuned.parameters import TunedParameters
from fib_plugins.segmenters.unet.forecasts import check_size
from fib_plugins.segmenters.unet.parameters import TRAINING_BYTES
from fib_plugins.segmenters.unet.plugin import UNet
from fib_plugins.segmenters.unet.start import (
    check_channels,
    check_is_fitted,
    check_is_unet,
    check_phases,
)
from fibcore import (
    Context,
    Images,
    Labels,
    Model,
    Segmenter,
    Table,
    Trainable,
    keeps,
)
from fibcore.context import held_bytes
from fibcore.models import Shape
from fibcore.plugin import Forecast


class TunedInfo(TrainingInfo):
    """The info of a tuned segmenter's model: that of the chosen one, its name and parameters."""

    segmenter: Literal["segmenter/unet", "segmenter/random_forest"]
    params: Annotated[dict[str, Any], Field(min_length=1)]


class Tuned(Trainable, TunedParameters, Segmenter):
    """A U-Net tuned on a few labels, or what teaches them better.

    A network that was trained on a virtual world starts with all that the world teaches; a few
    labels of the stack itself correct what differs. How much may be learned from them depends on
    how many there are, and how much the world errs. So several candidates are compared on labels
    that are left out in turn: the network as it is (``start``); tuned in the scale and offset of
    its normalization layers and in its last layer (``cautious``); tuned in all weights, which are
    pulled back towards those of the start (``full``; L2-SP: Li, Grandvalet, Davoine, ICML 2018);
    and what the labels alone teach, a random forest (``forest``) and a network (``alone``). The one
    with the lowest Brier score on left-out labels is trained again, on all of them.

    Labels may be whole slices or scribbles; 255 marks voxels without a label. Each phase must
    be labelled in at least two places. Statistics of batch normalization stay those of the start.
    """

    name: ClassVar[str] = "tuned"
    info_type: ClassVar[type[TrainingInfo]] = TunedInfo
    learner: ClassVar[str] = "segmenter"
    apply_params: ClassVar[frozenset[str]] = frozenset({"save_probability"})

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse a start, channels, phases and shapes that do not fit."""
        images = inputs.get("images")
        if images is None:
            return super().forecast(method, inputs)
        if method != "fit":
            if not self.fitted:
                return super().forecast(method, inputs)
            return self._chosen().forecast(method, inputs)
        labels, start = inputs.get("labels"), inputs.get("start")
        if labels is not None:
            check_same_volume(images.shape, labels.shape)
        if start is None:
            return Forecast()
        check_is_unet(start)
        if not start.fitted:
            return Forecast()
        check_channels(start.model, images.channels)
        if labels is not None and labels.phases:
            check_phases(start.model, labels.phases)
        check_size(start, images.shape, held_back=0)
        voxels = images.shape[0] * images.shape[1] * images.shape[2]
        batch = self.batch_size * start.voxels_per_patch
        memory = TRAINING_BYTES * start.base_channels * batch + 5 * voxels
        memory += held_bytes(4 * voxels * len(images.kv))
        info = TrainingData.known_before_run(images, labels)
        model = None
        if info is not None:
            info |= {"segmenter": start.identifier(), "params": dict(start.model.params)}
            model = Model(self.identifier(), self.model_dump(mode="json"), info=info)
        return Forecast(memory_bytes=memory, model=model)

    def _chosen(self) -> UNet | RandomForest:
        """Return the segmenter that the model holds."""
        own = self.model
        plugin = UNet if own.info["segmenter"] == UNet.identifier() else RandomForest
        model = Model(
            own.info["segmenter"], own.info["params"], own.weights, own.info, forecast=own.forecast
        )
        return plugin.from_model(model, save_probability=self.save_probability)

    def weight_shapes(self) -> Mapping[str, Shape] | None:
        """Return the shapes of the weights of the chosen segmenter."""
        return self._chosen().weight_shapes()

    @keeps(candidates=Table, left_out=Table)
    def fit(
        self,
        images: Images,
        labels: Labels,
        start: Segmenter,
        context: Context | None = None,
    ) -> Self:
        """Compare the candidates on left-out labels, and train the best one on all.

        The table `candidates` has a row for each candidate and number of training steps: candidate,
        steps (0: none), labelled_voxels, left_out_loss (Brier score), left_out_mp_percent
        (misplaced among left-out labels), left_out_dice (mean over phases), chosen. The table
        `left_out` has the same figures of the chosen one for each part that was left out, which is
        a range (start to stop, not included) along an axis (z, y or x). They are those of trainings
        on fewer labels. Candidates that are compared survive an interruption, and the result has
        the same bytes.

        Args:
            images: the stack that is to be segmented, with the channels of the start.
            labels: its labels, 255 where there is none.
            start: a fitted U-Net.
            context: surroundings of the step.

        Raises:
            FibError: a start that is no fitted U-Net, other channels, phases or shapes, labels in
                one place, or too few of them for the candidates.
        """
        from fib_plugins.segmenters.tuned.comparison import Comparison
        from fib_plugins.training.runtime import cpu_threads

        context = Context.of(context)
        self.forecast("fit", {"images": images.spec, "labels": labels.spec, "start": start})
        check_is_fitted(start)
        assert isinstance(start, UNet)
        with cpu_threads(start.cpu_threads):
            model = Comparison(self, start, images, labels, context).best()
        self._model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            weights=model.weights,
            info={**model.info, "segmenter": model.plugin, "params": dict(model.params)},
        )
        return self

    @keeps(probability=Images)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        """Return the most probable phase of each voxel, found by the chosen segmenter.

        With `save_probability` it keeps `probability`: float32 from 0 to 1, a channel per phase.

        Raises:
            FibError: not fitted, another number of channels than in training, images that are
                constant or not finite.
        """
        return self._chosen().predict(images, context)
