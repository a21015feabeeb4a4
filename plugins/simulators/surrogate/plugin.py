"""A learned Monte Carlo: expected yields from a network that Monte Carlo counts have taught."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from fib_plugins.simulators.end_of_structure import warn_of_end
from fib_plugins.simulators.surrogate.known import (
    SurrogateInfo,
    check_info,
    check_size,
    media_of,
    spread_of,
)
from fib_plugins.simulators.surrogate.parameters import IMAGING, SurrogateParameters
from fibcore import (
    Context,
    Forecast,
    Images,
    Labels,
    Model,
    Simulator,
    Table,
    Trainable,
    keeps,
)
from fibcore.models import Shape
from fibcore.plugin import restored

if TYPE_CHECKING:
    from fib_plugins.simulators.surrogate.trained import TrainedNetwork


class Surrogate(Trainable, SurrogateParameters, Simulator):
    """Images a structure with a network that has learned the Monte Carlo simulation.

    The network sees the labels below a pixel and predicts its backscatter yield. It is taught by
    `simulator/monte_carlo` with few electrons per pixel: the mean of the counts is what has the
    smallest squared error, so that expected yields, free of counting noise, come out. With
    `electrons_per_pixel` the noise is drawn, too: from a binomial or, of secondary electrons, from
    a law with the ratio of variance and mean that was measured on images of the teaching.

    **Models of the package**: gold in epoxy at 1, 2 and 4 kV, voxels of 3.26 nm or
    10 x 3.26 x 3.26 nm: `run` it without a fit. For other materials, voltages, voxel sizes,
    detectors or beams, `fit` teaches a network: from nothing, on structures of many kinds that it
    draws and images itself, or on given labels and images.

    **Referee.** After simulating, true Monte Carlo of `referee_share` of the pixels of this
    structure is compared with the result, by phase and by the depth of the next phase below. The
    table `referee` has signed biases, chi-squares and errors. If the yields deviate by more than
    `referee_bias` or `referee_rms`, the step fails, or the network is trained further on this
    structure (`on_failure`).

    **Accuracy** is in the section on the surrogate in the documentation of the validation. It is
    the Monte Carlo's physics, with its limits; voxel sizes and materials are those of training.
    """

    name: ClassVar[str] = "surrogate"
    result_version: ClassVar[int] = 3
    info_type: ClassVar[type[SurrogateInfo]] = SurrogateInfo
    learner: ClassVar[str] = "surrogate"
    works_unfitted: ClassVar[bool] = True
    apply_params: ClassVar[frozenset[str]] = IMAGING

    @classmethod
    def from_model(cls, model: Model, **changes: Any) -> Self:
        """Return the plugin with a trained network or, for parameters alone, one of the package.

        Args:
            model: the result of `fit`, or the parameters alone.
            changes: parameters of `apply_params`.

        Raises:
            FibError: the model cannot come from this plugin.
        """
        if model.weights or model.info or model.forecast:
            return super().from_model(model, **changes)
        return restored(cls, model)

    # -- checks --------------------------------------------------------------------------------

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse what the network does not know; return the spec of the images."""
        from fib_plugins.simulators.surrogate.forecasts import forecast_fit, forecast_simulation

        labels = inputs.get("labels")
        if method == "fit":
            self.check_pair("labels" in inputs, "images" in inputs)
            return forecast_fit(self.identifier(), self, labels, inputs.get("images"))
        forecast = super().forecast(method, inputs)
        if forecast.output is None or labels is None:
            return forecast
        network = self._network_for(labels.voxel_size_nm)
        return forecast_simulation(self, network, labels, forecast.output)

    def _network_for(self, voxel_size_nm: tuple[float, ...]) -> TrainedNetwork:
        """Return the own network, or that of the package for voxels of a size."""
        from fib_plugins.simulators.surrogate.shipped import shipped_model
        from fib_plugins.simulators.surrogate.trained import TrainedNetwork

        return TrainedNetwork(self.model if self.fitted else shipped_model(self, voxel_size_nm))

    def check_model(self) -> None:
        """Reject a model whose info does not fit the parameters of its training."""
        super().check_model()
        check_info(self.model.info, type(self).model_validate(dict(self.model.params)))

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of the network's weights."""
        from fib_plugins.simulators.surrogate.trained import TrainedNetwork
        from fib_plugins.training.weights import shapes_of

        return shapes_of(TrainedNetwork(self.model).build)

    # -- work ----------------------------------------------------------------------------------

    @keeps(history=Table, accuracy=Table)
    def fit(
        self,
        labels: Labels | None = None,
        images: Images | None = None,
        context: Context | None = None,
    ) -> Self:
        """Teach a network; from nothing, or on given images.

        From nothing, it draws structures of many kinds (`accuracy` lists them), images them with
        few electrons, and trains, in rounds: kinds that it predicts badly come more often. The
        table `history` has a row for each round, `accuracy` the error on structures that were not
        learned from, by kind and channel, without counting noise. With given labels and images
        there is no `accuracy`, since their noise is unknown: it has the loss only. It can be
        interrupted at any time, and resumes.

        Args:
            labels: a structure; its phases have some of the `materials`.
            images: Monte Carlo images of it with this plugin's settings, one per channel.
            context: surroundings of the step.

        Raises:
            FibError: labels without images or the reverse, materials or channels other than those
                of the parameters, or a training that diverges.
        """
        from fib_plugins.simulators.surrogate.fitting import fitted

        context = Context.of(context)
        self._model, history, accuracy = fitted(self.identifier(), self, labels, images, context)
        context.keep("history", history)
        context.keep("accuracy", accuracy)
        return self

    @keeps(referee=Table, depth=Images)
    def simulate(self, labels: Labels, context: Context | None = None) -> Images:
        """Return yields of the detectors, float32 (channel, z, y, x), 0 to 1, of secondary
        electrons also more.

        They are expected yields or, with `electrons_per_pixel`, the counted fraction of so many
        electrons. It keeps `referee`, the comparison with Monte Carlo counts: for each channel, all
        pixels, those of each phase, and those of each phase by the depth at which the first voxel
        of another phase lies below; with `pixels`, mean yields of both, `bias` and its standard
        error, `chi_square` (1: counting noise explains all deviations), `rms_error` without
        counting noise. With `mean_depth` it keeps `depth`, as `simulator/monte_carlo` does. An
        interrupted simulation resumes with the next slices.

        Args:
            labels: the structure; the upper side of each slice is imaged.
            context: surroundings of the step.

        Raises:
            FibError: materials, voltages or voxel sizes that the network does not know, phases
                without a material, or images that the referee rejects.
        """
        from fib_plugins.electrons.imaging import phases_in
        from fib_plugins.simulators.surrogate.referee import unchecked
        from fib_plugins.simulators.surrogate.run import Simulation

        context = Context.of(context)
        trained = self._network_for(labels.voxel_size_nm)
        check_size(trained.info, labels.voxel_size_nm)
        phases = phases_in(labels)
        self.check_below(labels.phases)
        imaged, *_ = self.box(labels.shape)
        warn_of_end(self, labels, phases, imaged, context.log)
        if not isinstance(self.below, str):
            phases = sorted({*phases, self.below})
        channels = trained.channels_for(self)
        scale = np.array(trained.info["depth_scale_nm"], np.float32)
        simulation = Simulation(
            params=self,
            network=trained.network(),
            channels=channels,
            labels=labels,
            phases=phases,
            media=media_of(trained.info, labels, phases),
            count=len(trained.info["materials"]),
            depth_scale_nm=scale[channels] if self.mean_depth else scale[:0],
            context=context,
            spread=spread_of(trained.info, self.channels, channels),
        )
        finished, comparison = simulation.run()
        if comparison is None:
            context.log.warning(
                "referee_share is 0: these images were not compared with Monte Carlo, and count as "
                "unchecked"
            )
        context.keep("referee", unchecked() if comparison is None else comparison.table)
        if self.mean_depth:
            depth = Images(
                finished.arrays["depth"],
                labels.voxel_size_nm,
                self.kv,
                self.channel_names,
                "mean depth in nm",
                self.detector_names,
            )
            context.keep("depth", depth)
        return Images(
            finished.arrays["images"],
            labels.voxel_size_nm,
            self.kv,
            self.channel_names,
            "backscatter yield",
            self.detector_names,
        )
