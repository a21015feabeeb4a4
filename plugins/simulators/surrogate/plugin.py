"""A learned Monte Carlo: expected yields from a network that Monte Carlo counts have taught."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from fib_plugins.simulators.surrogate.known import (
    SurrogateInfo,
    check_info,
    check_names,
    check_size,
    info_of,
    media_of,
)
from fib_plugins.simulators.surrogate.parameters import SurrogateParameters
from fibcore import (
    Context,
    FibError,
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
    from fib_plugins.simulators.surrogate.geometry import Geometry

BYTES_PER_WINDOW_PIXEL = 900
"""Memory of a pixel of a window in work: features, planes and labels of all its slices."""
BYTES_PER_SLAB_PIXEL = 32 * 20
"""Memory of a pixel of a slab: expected yields and counts of all its slices."""
TRAINING_BYTES = 400 * 2**20


class Surrogate(Trainable, SurrogateParameters, Simulator):
    """Images a structure with a network that has learned the Monte Carlo simulation.

    The network sees the labels below a pixel and predicts its backscatter yield. It is taught by
    `simulator/monte_carlo` with few electrons per pixel: the mean of a binomial is what its
    likelihood learns, so that expected yields, free of counting noise, come out. With
    `electrons_per_pixel` the noise is drawn from that binomial, as in the simulation itself.

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
    info_type: ClassVar[type[SurrogateInfo]] = SurrogateInfo
    learner: ClassVar[str] = "surrogate"
    works_unfitted: ClassVar[bool] = True
    apply_params: ClassVar[frozenset[str]] = frozenset(
        {
            "energies_kev",
            "electrons_per_pixel",
            "lateral",
            "below",
            "slices",
            "region",
            "mean_depth",
            "window",
            "referee_share",
            "referee_electrons",
            "referee_bias",
            "referee_rms",
            "on_failure",
        }
    )

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
        if method == "fit":
            return self._forecast_fit(inputs)
        forecast = super().forecast(method, inputs)
        labels = inputs.get("labels")
        if forecast.output is None or labels is None:
            return forecast
        model = self._model_for(labels.voxel_size_nm)
        check_size(model.info, labels.voxel_size_nm)
        check_names(model.info, labels.phases)
        self._channels(model)
        geometry = self._geometry(model)
        if labels.phases:
            self.check_below(labels.phases)
        depth, height, width = (stop - start for start, stop in self.box(labels.shape))
        output = replace(forecast.output, shape=(depth, height, width), kv=self.kv)
        kept = {"depth": output} if self.mean_depth else {}
        edge = min(self.window, max(labels.shape[1:])) + 2 * max(geometry.margin)
        memory = (os.cpu_count() or 1) * BYTES_PER_WINDOW_PIXEL * edge**2
        memory += BYTES_PER_SLAB_PIXEL * len(self.kv) * height * width
        if self.referee_share:  # the lattice of the Monte Carlo
            memory += int(np.prod(labels.shape))
        return Forecast(output, kept, memory)

    def _forecast_fit(self, inputs: Mapping[str, Any]) -> Forecast:
        from fib_plugins.simulators.surrogate.reach import (
            depth_scale_nm,
            geometry_of,
            too_coarse,
        )

        labels, images = inputs.get("labels"), inputs.get("images")
        voxel_size = self.voxel_size_nm if labels is None else labels.voxel_size_nm
        geometry = geometry_of(self, self.materials, voxel_size)
        if labels is None and images is None:
            self._check_teaching(geometry.grain)
        if labels is not None and images is not None:
            self.check_given(labels, images)
            check_names(self._known(voxel_size, geometry, []), labels.phases)
        scale = depth_scale_nm(self, self.materials) if self.mean_depth else []
        model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            info=self._known(voxel_size, geometry, scale),
        )
        plane = int(np.prod(self.teaching_shape[1:]))
        lesson = 6 * plane * self.teaching_shape[0]
        lesson += 8 * plane * self.teaching_slices * len(self.kv)
        memory = TRAINING_BYTES + self.teaching_structures * lesson
        return Forecast(
            memory_bytes=memory,
            model=model,
            warnings=tuple(too_coarse(self, self.materials, voxel_size)),
        )

    def _known(self, voxel_size_nm: Any, geometry: Any, scale: Any) -> dict[str, Any]:
        return info_of(self, self.materials, voxel_size_nm, geometry, scale)

    def _check_teaching(self, grain: tuple[int, int]) -> None:
        for axis, edge, step in zip("yx", self.teaching_shape[1:], grain, strict=True):
            if edge % step:
                near = sorted({max(step, edge // step * step), -(-edge // step) * step})
                raise FibError(
                    f"teaching_shape has {edge} pixels along {axis}, but the coarsest level of the "
                    f"network has pixels of {step}: use {' or '.join(map(str, near))}"
                )

    def _model_for(self, voxel_size_nm: tuple[float, ...]) -> Model:
        """Return the own model, or that of the package for voxels of a size."""
        from fib_plugins.simulators.surrogate.shipped import shipped_model

        return self.model if self.fitted else shipped_model(self, voxel_size_nm)

    def _channels(self, model: Model) -> list[int]:
        """Return which outputs of a network are the wanted channels.

        Raises:
            FibError: it does not have one of them, or no mean depth.
        """
        trained = type(self).model_validate(dict(model.params))
        unknown = [e for e in self.energies_kev if e not in trained.energies_kev]
        if unknown:
            raise FibError(
                f"the surrogate was trained at {', '.join(f'{e:g}' for e in trained.energies_kev)} "
                f"kV, not at {', '.join(f'{e:g}' for e in unknown)}: fit one for these voltages "
                f"(energies_kev), or use simulator/monte_carlo"
            )
        if self.mean_depth and not trained.mean_depth:
            raise FibError(
                "the surrogate was trained without mean_depth: fit one with it, or use "
                "simulator/monte_carlo"
            )
        names = trained.channel_names
        return [names.index(name) for name in self.channel_names]

    def check_model(self) -> None:
        """Reject a model whose info does not fit the parameters of its training."""
        super().check_model()
        check_info(self.model.info, type(self).model_validate(dict(self.model.params)))

    def weight_shapes(self) -> Mapping[str, Shape]:
        """Return the shapes of the network's weights."""
        from fib_plugins.training.weights import shapes_of

        return shapes_of(lambda: self._network(self.model))

    @staticmethod
    def _geometry(model: Model) -> Geometry:
        """Return the pyramid of a model."""
        from fib_plugins.simulators.surrogate.geometry import Geometry

        scales = tuple((int(z), int(y), int(x)) for z, y, x in model.info["scales"])
        return Geometry(model.params["planes"], scales)

    @staticmethod
    def _network(model: Model) -> Any:
        """Return the network that a model describes, with random weights."""
        from fib_plugins.simulators.surrogate.network import build_network

        info, params = model.info, model.params
        outputs = len(info["kv"]) * (2 if params["mean_depth"] else 1)
        return build_network(
            Surrogate._geometry(model),
            media=len(info["materials"]),
            features=params["features"],
            outputs=outputs,
            seed=0,
        )

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
        """Return backscatter yields, float32 (channel, z, y, x), 0 to 1.

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
        from fib_plugins.training.weights import set_weights

        context = Context.of(context)
        model = self._model_for(labels.voxel_size_nm)
        check_size(model.info, labels.voxel_size_nm)
        phases = phases_in(labels)
        self.check_below(labels.phases)
        if not isinstance(self.below, str):
            phases = sorted({*phases, self.below})
        channels = self._channels(model)
        network = self._network(model)
        set_weights(network, model.weights)
        scale = np.array(model.info["depth_scale_nm"], np.float32)
        simulation = Simulation(
            params=self,
            network=network,
            channels=channels,
            labels=labels,
            phases=phases,
            media=media_of(model.info, labels, phases),
            count=len(model.info["materials"]),
            depth_scale_nm=scale[channels] if self.mean_depth else scale[:0],
            context=context,
        )
        finished, verdict = simulation.run()
        if verdict is None:
            context.log.warning(
                "referee_share is 0: these images were not compared with Monte Carlo, and count as "
                "unchecked"
            )
        context.keep("referee", unchecked() if verdict is None else verdict.table)
        if self.mean_depth:
            depth = Images(
                finished.arrays["depth"],
                labels.voxel_size_nm,
                self.kv,
                self.channel_names,
                "mean depth in nm",
            )
            context.keep("depth", depth)
        return Images(
            finished.arrays["images"],
            labels.voxel_size_nm,
            self.kv,
            self.channel_names,
            "backscatter yield",
        )
