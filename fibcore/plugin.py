"""What every plugin is: a pydantic model whose fields are its parameters."""

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
M = TypeVar("M", bound=BaseModel)


def keeps(**artefacts: type) -> Callable[[F], F]:
    """Declare the further results that a method hands to `Context.keep`.

    ``@keeps(probability=Images)`` lets later steps of a pipeline ask for them by name.
    """

    def mark(method: F) -> F:
        method.__dict__["fib_keeps"] = artefacts
        return method

    return mark


@dataclass(frozen=True)
class Forecast:
    """What a step is expected to make and need, before it runs.

    Attributes:
        output: its main volume; None if that is no volume or not known.
        kept: volumes among its further results, by name.
        memory_bytes: peak memory beyond its inputs; 0 where not known.
        warnings: what the user should know but need not change.
        model: of a fit: what is known of the model before it is learned, without weights: its
            parameters, and whatever of its info forecasts ask for. A step that applies the model
            is forecast by a plugin that has this one; None: by one that is not fitted.
    """

    output: VolumeSpec | None = None
    kept: Mapping[str, VolumeSpec] = field(default_factory=dict)
    memory_bytes: int = 0
    warnings: tuple[str, ...] = ()
    model: Model | None = None

    @property
    def disk_bytes(self) -> int:
        """Size of all volumes that the step leaves."""
        return sum(spec.nbytes for spec in (self.output, *self.kept.values()) if spec is not None)

    def __post_init__(self) -> None:
        if self.model is not None:
            object.__setattr__(self, "model", replace(self.model, forecast=True))


class Plugin(BaseModel):
    """Base of all plugins; derive from one of the kinds in `fibcore.kinds` instead.

    A plugin's fields are its parameters: unknown ones are refused, names carry units, every one
    has a description. Its first docstring line is what `fib plugins list` shows.
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
    """What a step of a pipeline does with it."""
    result_version: ClassVar[int] = 1
    """Raise it when the same parameters give another result than before: cached steps re-run."""
    leaves_model: ClassVar[bool] = False
    """Whether the main method leaves a model, too, which stands for the plugin in other steps."""
    headline: ClassVar[tuple[str, ...] | None] = None
    """Figures of its table that a run prints, those that there are; (): all, None: none."""
    apply_params: ClassVar[frozenset[str]] = frozenset()
    """Parameters that a step which applies a fitted plugin may still change."""

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
        """Return what is wrong with the class by the rules of its kind, beside its methods."""
        return []

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return what a step will make and need, or refuse inputs that cannot work.

        Called before anything runs. Plugins extend it to check their inputs.

        Args:
            method: ``fit`` or the kind's main method.
            inputs: input name -> `VolumeSpec` (a list becomes one spec with all channels), or for
                an input that is a plugin that plugin, fitted if its model can be forecast; None
                where it is not known yet or neither.

        Raises:
            FibError: the step cannot work with such inputs; the message names what to change.
        """
        return Forecast()


class Trainable(BaseModel):
    """Mixin of plugins that learn: `fit` returns the plugin itself, fitted.

    A subclass sets `_model` in `fit`, and reads it through `model`.
    """

    info_type: ClassVar[type[BaseModel]] = ModelInfo
    """What the info of its models has to hold: derive it from `ModelInfo`."""
    learner: ClassVar[str] = "plugin"
    """What has learned, for messages: a network, a forest, ..."""
    works_unfitted: ClassVar[bool] = False
    """Whether its parameters alone will do: then a step may ``run`` it, and need not fit it."""

    _model: Model | None = PrivateAttr(default=None)

    @property
    def fitted(self) -> bool:
        """Whether there is a model."""
        return self._model is not None

    @property
    def model(self) -> Model:
        """What was learned.

        Raises:
            FibError: if the plugin was not fitted.
        """
        if self._model is None:
            name = getattr(type(self), "identifier", lambda: type(self).__name__)()
            raise FibError(f"{name} has to be fitted first: call fit, or use from_model")
        return self._model

    @classmethod
    def from_model(cls, model: Model, **changes: Any) -> Self:
        """Return the plugin that a model came from, ready to be applied.

        Args:
            model: as `model` of a fitted plugin gave it, or read from disk.
            changes: parameters among `apply_params` to set otherwise than in training.

        Raises:
            FibError: the model is of another plugin, or not one that this plugin can have learned.
        """
        plugin = restored(cls, model)
        if changes:
            plugin = cls(**{**model.params, **changes})
        plugin._model = model
        if not model.forecast:
            plugin.check_model()
        return plugin

    def check_model(self) -> None:
        """Refuse a model that this plugin, with its parameters, cannot have learned.

        Whatever is wrong with the files of a model is reported here, before a run, in one message.
        Plugins extend it where `info_type` and `weight_shapes` do not cover all that they rely on.

        Raises:
            FibError: the message names what of the model does not fit.
        """
        try:
            self.info_type.model_validate(self.model.info)
        except ValidationError as error:
            raise FibError(
                f"the info of the model is not what {self.model.plugin} keeps: {faults(error)}. "
                f"It is damaged, or was made by something else: restore its files, or train "
                f"another {self.learner}"
            ) from None
        self.model.check_weights(self.weight_shapes(), self.learner)

    def weight_shapes(self) -> Mapping[str, Shape] | None:
        """Return name -> shape of the weights that a model needs; None: whatever there is."""
        return None


def restored(cls: type[M], model: Model) -> M:
    """Return a plugin with the parameters that a model keeps.

    Raises:
        FibError: the model is of another plugin, or they are not parameters of this one.
    """
    own = getattr(cls, "identifier", lambda: cls.__name__)()
    if model.plugin != own:
        raise FibError(
            f"this is a model of {model.plugin}, not of {own}: call from_model of the class that "
            f"has learned it"
        )
    try:
        return cls.model_validate(dict(model.params))
    except ValidationError as error:
        raise FibError(
            f"the model does not fit {model.plugin} as it is installed: params.{faults(error)}"
        ) from None
