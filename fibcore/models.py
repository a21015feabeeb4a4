"""Models of trainable plugins: arrays and JSON values, never code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from fibcore.errors import FibError, listed
from fibcore.text import shown

Shape = tuple[int | None, ...]
"""Shape of an array; None means any length."""


class ModelInfo(BaseModel):
    """Base of the info that a plugin needs in its models; see `Trainable.info_type`.

    Types are strict, with lists rather than tuples, as in JSON.
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """Weights, the parameters of the plugin that trained them, and further values.

    Attributes:
        plugin: ``kind/name`` of the plugin.
        params: its parameters, as JSON values.
        weights: name -> array; empty for a plugin that is not trained (an analytic law).
        info: further JSON values: grey-value scaling, voltages and voxel size of the training, ...
        forecast: whether it is not trained yet: it has no weights, and only the info that forecasts
            need.
    """

    plugin: str
    params: Mapping[str, Any]
    weights: Mapping[str, np.ndarray] = field(default_factory=dict)
    info: Mapping[str, Any] = field(default_factory=dict)
    forecast: bool = False

    artefact: ClassVar[str] = "model"

    def __repr__(self) -> str:
        numbers = sum(array.size for array in self.weights.values())
        return f"<Model of {self.plugin}: {numbers} numbers in {len(self.weights)} arrays>"

    @property
    def kind(self) -> str:
        """Kind of the plugin, e.g. ``segmenter``."""
        return self.plugin.split("/", 1)[0]

    def check_weights(self, shapes: Mapping[str, Shape] | None, learner: str = "plugin") -> None:
        """Reject weights that are not finite numbers, or not those expected.

        Args:
            shapes: name -> shape of each array; None accepts any. A single number may also be an
                array of one element.
            learner: what was trained, for messages.

        Raises:
            FibError: names the first array that does not fit, and the reason.
        """
        for name, array in self.weights.items():
            if array.dtype.kind not in "fiub" or not np.isfinite(array).all():
                raise FibError(
                    f"the weights {shown(name, 60)!r} of a model of {self.plugin} are not finite "
                    f"numbers: it is damaged; restore its files, or train again"
                )
        if shapes is None:
            return
        missing = [name for name in shapes if name not in self.weights]
        foreign = [name for name in self.weights if name not in shapes]
        for what, names in (("lacks the weights", missing), ("has foreign weights", foreign)):
            if names:
                raise _unfit(learner, f"{what} {listed((shown(n, 60) for n in names), 3)}")
        for name, shape in shapes.items():
            found = self.weights[name].shape
            if not _fits(found, shape):
                wanted = tuple("any" if n is None else n for n in shape)
                raise _unfit(learner, f"has the weights {name} of shape {found}, not {wanted}")


def _unfit(learner: str, what: str) -> FibError:
    return FibError(
        f"the weights of the model do not fit the {learner} that its parameters describe: it "
        f"{what}; its .safetensors and .json do not match: restore the pair, or train "
        f"another {learner}"
    )


def _fits(found: tuple[int, ...], shape: Shape) -> bool:
    return len(found or (1,)) == len(shape or (1,)) and all(
        wanted in (None, n) for n, wanted in zip(found or (1,), shape or (1,), strict=True)
    )
