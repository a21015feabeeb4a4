"""A segmenter whose probabilities are how often it is right on stacks of a virtual world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, PrivateAttr

from fib_plugins.held_plugins import HeldInfo, held_in, with_held
from fib_plugins.segmenters.calibrated.inner import keeping_probability, probability_of
from fib_plugins.segmenters.segmentation import Segmentation, specs
from fib_plugins.segmenters.training_data import classes_of
from fib_plugins.threads import bytes_in_threads, in_threads, threads_for
from fibcore import (
    Context,
    FibError,
    Forecast,
    Images,
    Labels,
    Model,
    Plugin,
    Segmenter,
    Source,
    Table,
    Trainable,
    keeps,
)
from fibcore.context import held_bytes
from fibcore.models import ModelInfo
from fibcore.roles import Figure

ROLES: Mapping[str, type[Plugin]] = {"segmenter": Segmenter}
"""The plugin that it holds: role -> kind."""
WANTED_PERCENT = 1.0
"""Calibration error above which a fit warns."""
BYTES_PER_VOXEL = 20
"""Memory to calibrate a voxel, per phase."""


class CalibrationInfo(ModelInfo):
    """The info of a calibrated segmenter's model."""

    segmenter: HeldInfo
    calibration: Literal["temperature", "temperature_and_bias", "isotonic"] | None = None


class Calibrated(Trainable, Segmenter):
    """Calibrates the probabilities of another segmenter on virtual stacks.

    A network that gives 90 % need not be right nine times out of ten. `fit` lets the segmenter
    label `pairs` stacks of a source, whose truth is known, and learns how the share of a phase
    depends on the probability that the segmenter gives it: by temperature scaling, with or without
    a bias of each phase, or by isotonic regression. With `method` ``best`` it is the one with the
    least log loss on stacks left out.

    Applied, it labels each voxel with the phase that is most probable after the calibration, and
    keeps ``probability``: float32, a channel per phase. A bias or isotonic regression may so move
    the border between phases. The calibration is that of all stacks of the world together: it is as
    good for a measured stack as this resembles them (see `metric/adequacy`), and shows nothing of
    neighbouring voxels being wrong together.

    The segmenter is kept in the model, with its weights. It must keep probabilities; the parameter
    `save_probability` of `segmenter/unet` and `segmenter/random_forest` is switched on.
    """

    name: ClassVar[str] = "calibrated"
    info_type: ClassVar[type[CalibrationInfo]] = CalibrationInfo
    learner: ClassVar[str] = "calibration"

    method: Literal["best", "temperature", "temperature_and_bias", "isotonic"] = Field(
        default="best",
        description="temperature: one number divides the logarithms of probabilities; "
        "temperature_and_bias: and each phase has a bias; isotonic: any functions that do not "
        "fall; best: that of least log loss on stacks left out",
    )
    pairs: int = Field(default=8, ge=2, le=1000, description="number of stacks to learn from")
    sample_voxels: int = Field(
        default=400_000, ge=1000, description="number of voxels drawn from all stacks together"
    )

    _held: dict[str, Any] = PrivateAttr(default_factory=dict)

    @classmethod
    def from_model(cls, model: Model, **changes: Any) -> Self:
        """Return the plugin of a model, with the segmenter that it keeps.

        Raises:
            FibError: the model belongs to another plugin, or does not fit this one.
        """
        plugin = super().from_model(model, **changes)
        plugin._held = held_in(model, ROLES)
        return plugin

    def check_model(self) -> None:
        """Refuse a model whose arrays are no calibration."""
        super().check_model()
        method, arrays = self.model.info.get("calibration"), self.model.weights
        isotonic = ("probabilities", "shares")
        for name in isotonic if method == "isotonic" else ("temperature", "bias"):
            if method is None or name not in arrays:
                raise FibError(
                    f"the model of {self.identifier()} lacks the array {name!r} of its "
                    f"calibration: it is damaged; restore its files, or fit again"
                )

    # -- before a run --------------------------------------------------------------------------

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Refuse segmenters without probabilities, and sources of other channels or phases."""
        if method == "fit":
            return self._forecast_fit(inputs.get("images"), inputs.get("segmenter"))
        images, inner = inputs.get("images"), self._held.get("segmenter")
        if images is None or inner is None:
            return super().forecast(method, inputs)
        found = inner.forecast("predict", {"images": images})
        phases = {} if found.output is None else found.output.phases
        output, kept = specs(images, phases, True)
        plane = BYTES_PER_VOXEL * len(phases or (0, 1)) * images.shape[1] * images.shape[2]
        own = held_bytes(output.nbytes) + held_bytes(kept["probability"].nbytes)
        memory = max(found.memory_bytes, own + bytes_in_threads(plane, images.shape[0]))
        inside = sum(held_bytes(spec.nbytes) for spec in found.kept.values())
        return Forecast(output, kept, memory + inside, found.warnings)

    def _forecast_fit(self, source: Source | None, segmenter: Segmenter | None) -> Forecast:
        if segmenter is None:
            return Forecast()
        inner = keeping_probability(segmenter)
        model = with_held(
            Model(self.identifier(), self.model_dump(mode="json")), {"segmenter": inner}
        )
        if source is None:
            return Forecast(model=model)
        pair = source.forecast(source.main_method, {})
        if pair.output is None:
            return Forecast(memory_bytes=pair.memory_bytes, model=model)
        found = inner.forecast("predict", {"images": pair.output})
        truth = pair.kept.get("labels")
        if found.output is not None and truth is not None:
            _check_phases(found.output.phases, truth.phases)
        phases = 2 if found.output is None else len(found.output.phases or (0, 1))
        sample = 40 * phases * min(self.sample_voxels, self.pairs * int(np.prod(pair.output.shape)))
        memory = max(pair.memory_bytes, pair.disk_bytes + found.memory_bytes) + sample
        return Forecast(memory_bytes=memory, warnings=found.warnings, model=model)

    # -- work ----------------------------------------------------------------------------------

    @keeps(calibration=Table, reliability=Table)
    def fit(self, images: Source, segmenter: Segmenter, context: Context | None = None) -> Self:
        """Learn on stacks of a source how often a segmenter is right; keeps how it was before.

        The table `calibration` has one row: calibration (the method), temperature (nan for
        isotonic regression); before and after, on stacks left out of the fit, the expected
        calibration error of all voxels together (``error_before_percent``,
        ``error_after_percent``), median and largest error of the single stacks
        (``stack_error_percent``, ``largest_stack_error_percent``, after), the log loss; the share
        of voxels that get another phase (``changed_percent``); numbers of stacks and voxels. The
        table `reliability` has the shares of each phase over its probability: the reliability
        diagram.

        Args:
            images: source of stacks with labels; its pairs ``calibration`` are used.
            segmenter: fitted segmenter that keeps probabilities.
            context: surroundings of the step.

        Raises:
            FibError: a segmenter without probabilities, labels of other phases than it finds, or
                of one phase only.
        """
        from fib_plugins.segmenters.calibrated.learning import learn

        context = Context.of(context)
        inner = keeping_probability(segmenter)
        parts = []
        for number in context.track(range(self.pairs), "stacks segmented"):
            parts.append(self._sampled(images, inner, number, context))
        names = parts[0][2]
        learned = learn([part[:2] for part in parts], self.method, names)
        context.keep("calibration", Table.from_rows([learned.row], FIGURES))
        context.keep("reliability", learned.reliability)
        if learned.row["error_after_percent"] > WANTED_PERCENT:
            context.log.warning(
                "after the calibration, probabilities are wrong by %.1f %% on stacks left out: use "
                "more pairs, or a source whose stacks are more alike",
                learned.row["error_after_percent"],
            )
        model = Model(
            self.identifier(),
            self.model_dump(mode="json"),
            learned.calibration.arrays(),
            {"calibration": learned.method},
        )
        self._held = {"segmenter": inner}
        self._model = with_held(model, self._held)
        return self

    def _sampled(
        self, source: Source, inner: Segmenter, number: int, context: Context
    ) -> tuple[np.ndarray, np.ndarray, list[str]]:
        """Return probabilities, axes (phase, voxel), true classes, and names of phases."""
        images, truth = source.pair("calibration", number, context)
        labels, probability = probability_of(inner, images, context, "calibration")
        _check_phases(
            {n: m.name for n, m in labels.phases.items()},
            {n: m.name for n, m in truth.phases.items()},
        )
        voxels = int(np.prod(truth.shape))
        rng = context.rng_for("voxels", number)
        count = min(voxels, -(-self.sample_voxels // self.pairs))
        chosen = np.sort(rng.choice(voxels, count, replace=False, shuffle=False))
        z, rest = np.divmod(chosen, truth.shape[1] * truth.shape[2])
        y, x = np.divmod(rest, truth.shape[2])
        phases = sorted(labels.phases)
        seen = np.asarray(probability.data[:, z, y, x], np.float32)
        names = [labels.phases[phase].name for phase in phases]
        return seen, classes_of(phases)[truth.data[z, y, x]], names

    @keeps(probability=Images)
    def predict(self, images: Images, context: Context | None = None) -> Labels:
        """Return the phase that is most probable after the calibration; keeps probabilities.

        `probability` is float32 from 0 to 1, a channel per phase.

        Raises:
            FibError: not fitted, or an error of the segmenter.
        """
        from fib_plugins.segmenters.calibrated.calibration import restored_calibration

        context = Context.of(context)
        model = self.model
        calibration = restored_calibration(model.info["calibration"], model.weights)
        labels, probability = probability_of(self._held["segmenter"], images, context, "segmenter")
        phases = dict(sorted(labels.phases.items()))
        result = Segmentation(images, phases, True, context)

        def calibrate(z: int) -> None:
            result.add(z, calibration.apply(np.asarray(probability.data[:, z : z + 1])))

        each = BYTES_PER_VOXEL * len(phases) * images.shape[1] * images.shape[2]
        threads = threads_for(each, context.threads)
        depth = images.shape[0]
        for start in range(0, depth, threads):
            stop = min(start + threads, depth)
            in_threads(calibrate, range(start, stop), threads)
            context.progress(stop, depth, "slices calibrated")
        return result.finish()


FIGURES = {
    name: Figure()
    for name in ("error_before_percent", "error_after_percent", "stack_error_percent")
}


def _check_phases(found: Mapping[int, str], true: Mapping[int, str]) -> None:
    """Refuse a segmenter that looks for other phases than the source has."""
    if found and true and set(found) != set(true):
        raise FibError(
            f"the segmenter finds the phases {_listed(found)}, the labels of the source have "
            f"{_listed(true)}: calibrate it on the source that it was trained on, or one with the "
            f"same phases (see count_phase_as)"
        )


def _listed(phases: Mapping[int, str]) -> str:
    return ", ".join(f"{number} ({name})" for number, name in sorted(phases.items()))
