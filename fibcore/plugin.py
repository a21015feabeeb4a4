"""The base of all plugins: a pydantic model whose fields are the parameters."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from fibcore.errors import FibError, faults
from fibcore.models import Model, ModelInfo, Shape
from fibcore.volumes import VolumeSpec

F = TypeVar("F", bound=Callable[..., Any])
P = TypeVar("P", bound="Plugin")


def keeps(**artefacts: type) -> Callable[[F], F]:
    """Declare the further results that a method passes to `Context.keep`.

    With ``@keeps(probability=Images)`` later steps of a pipeline can use them by name.
    """

    def mark(method: F) -> F:
        method.__dict__["fib_keeps"] = artefacts
        return method

    return mark


@dataclass(frozen=True)
class Forecast:
    """What a step is expected to make and need, before it runs.

    Attributes:
        output: spec of its main volume; None if it is not a volume, or unknown.
        kept: name -> spec, for volumes among its further results.
        memory_bytes: peak memory that the step allocates; 0 if unknown. Inputs are memory-mapped
            files, and so are large arrays of `Context.empty`: neither is memory.
        warnings: warnings for the user.
        model: for a fit, the model as far as it is known before training: without weights, with
            its parameters and the info that forecasts need. A step that applies the model is
            forecast by a plugin with this model; if None, by a plugin that is not fitted.
        referenced: whether the volume stays in the files that it is read from.
    """

    output: VolumeSpec | None = None
    kept: Mapping[str, VolumeSpec] = field(default_factory=dict)
    memory_bytes: int = 0
    warnings: tuple[str, ...] = ()
    model: Model | None = None
    referenced: bool = False

    @property
    def disk_bytes(self) -> int:
        """Size of all volumes that the step leaves."""
        if self.referenced:
            return 0
        return sum(spec.nbytes for spec in (self.output, *self.kept.values()) if spec is not None)

    def __post_init__(self) -> None:
        if self.model is not None:
            object.__setattr__(self, "model", replace(self.model, forecast=True))


class Plugin(BaseModel):
    """Base of all plugins; derive from one of the kinds in `fibcore.kinds` instead.

    The fields of a plugin are its parameters. Unknown parameters are rejected, names contain units,
    and each field has a description. `fib plugins list` shows the first line of the docstring.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        defer_build=True,  # listing plugins needs no validators
    )

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    main_method: ClassVar[str] = ""
    verb: ClassVar[str] = "run"
    """Method that a step of a pipeline calls."""
    result_version: ClassVar[int] = 1
    """Increase it when the same parameters give another result: cached steps then run again."""
    leaves_model: ClassVar[bool] = False
    """Whether the main method also leaves a model, through which other steps use the plugin."""
    headline: ClassVar[tuple[str, ...] | None] = None
    """Columns of its table that a run prints, if they exist; (): all, None: none."""
    apply_params: ClassVar[frozenset[str]] = frozenset()
    """Parameters that a step can change when it applies the fitted plugin."""

    @classmethod
    def identifier(cls) -> str:
        """Return ``kind/name``."""
        return f"{cls.kind}/{cls.name}"

    @classmethod
    def summary(cls) -> str:
        """Return the first line of the docstring."""
        lines = (inspect.getdoc(cls) or "").splitlines()
        return lines[0] if lines else ""

    @classmethod
    def class_problems(cls) -> list[str]:
        """Return the problems of the class with the rules of its kind, except its methods."""
        return []

    def as_model(self) -> Model:
        """Return a model from which `from_model` restores this plugin."""
        return Model(self.identifier(), self.model_dump(mode="json"))

    @classmethod
    def from_model(cls, model: Model, **changes: Any) -> Self:
        """Return the plugin of a model, with other values for some parameters.

        Raises:
            FibError: the model belongs to another plugin, or does not fit this one.
        """
        return restored(cls, replace(model, params={**model.params, **changes}))

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return what a step will make and need, or reject inputs that cannot work.

        It is called before any step runs. Plugins extend it to check their inputs.

        Args:
            method: ``fit`` or the main method of the kind.
            inputs: input name -> `VolumeSpec` (one spec with all channels for a list), or the
                plugin if the input is a plugin, fitted if its model can be forecast; None if it is
                unknown, or neither.

        Raises:
            FibError: the step cannot work with such inputs; the message names what to change.
        """
        return Forecast()


class Trainable(Plugin):
    """Mixin for trainable plugins: `fit` returns the plugin itself, fitted.

    A subclass sets `_model` in `fit`, and reads it through `model`.
    """

    info_type: ClassVar[type[BaseModel]] = ModelInfo
    """Type of the info of its models, derived from `ModelInfo`."""
    learner: ClassVar[str] = "plugin"
    """What is trained, for messages: a network, a forest, ..."""
    works_unfitted: ClassVar[bool] = False
    """Whether a step can ``run`` it with its parameters alone, without a fit."""

    _model: Model | None = PrivateAttr(default=None)

    @property
    def fitted(self) -> bool:
        """Whether there is a model."""
        return self._model is not None

    @property
    def model(self) -> Model:
        """The trained model.

        Raises:
            FibError: the plugin is not fitted.
        """
        if self._model is None:
            raise FibError(
                f"{self.identifier()} has to be fitted first: call fit, or use from_model"
            )
        return self._model

    def as_model(self) -> Model:
        """Return the trained model; before a fit, one with the parameters alone."""
        return self.model if self.fitted else super().as_model()

    @classmethod
    def from_model(cls, model: Model, **changes: Any) -> Self:
        """Return the plugin that has trained a model, ready to be applied.

        Args:
            model: the `model` of a fitted plugin, or a model read from disk.
            changes: parameters among `apply_params` with other values than in training.

        Raises:
            FibError: the model belongs to another plugin, or does not fit this one.
        """
        plugin = restored(cls, model)
        if changes:
            plugin = cls(**{**model.params, **changes})
        plugin._model = model
        if not model.forecast:
            plugin.check_model()
        return plugin

    def check_model(self) -> None:
        """Reject a model that does not fit this plugin and its parameters.

        It is called before a run, so that damaged model files are reported early. Plugins extend it
        if `info_type` and `weight_shapes` do not cover all that they rely on.

        Raises:
            FibError: the message names the part that does not fit.
        """
        try:
            self.info_type.model_validate(self.model.info)
        except ValidationError as error:
            raise FibError(
                f"the info of the model does not fit {self.model.plugin}: {faults(error)}. "
                f"It is damaged, or was made by other software: restore its files, or train "
                f"another {self.learner}"
            ) from None
        self.model.check_weights(self.weight_shapes(), self.learner)

    def weight_shapes(self) -> Mapping[str, Shape] | None:
        """Return name -> shape of the weights that a model needs; None accepts any."""
        return None


def restored(cls: type[P], model: Model) -> P:
    """Return a plugin with the parameters stored in a model.

    Raises:
        FibError: the model belongs to another plugin, or the parameters do not fit this one.
    """
    own = cls.identifier()
    if model.plugin != own:
        raise FibError(
            f"this is a model of {model.plugin}, not of {own}: call from_model of the class that "
            f"has trained it"
        )
    try:
        return cls.model_validate(dict(model.params))
    except ValidationError as error:
        raise FibError(
            f"the model does not fit {model.plugin} as it is installed: params.{faults(error)}"
        ) from None
