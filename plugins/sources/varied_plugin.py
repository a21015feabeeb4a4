"""A plugin with parameters that are drawn for each pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, ClassVar, NoReturn

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from fib_plugins.sources.ranges import Between, Path, Range, filled, ranges_in
from fibcore import FibError, Plugin, Trainable
from fibcore.pipeline.explain import explain
from fibcore.registry import registry

ALL_ENDS_OF = 4
"""With at most so many ranges, all combinations of their ends are checked."""
TRIALS = 16
"""Number of random draws that are checked in addition to the ends of ranges."""
INTEGER_ERRORS = ("int_from_float", "int_type")
"""Errors of pydantic where an integer is expected."""


class VariedPlugin(BaseModel):
    """A plugin and its parameters, any of which may be a range.

    The parameters are completed by their defaults, so that a key made from them changes where the
    result does; the plugin's `result_version` is written beside them for the same reason.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: ClassVar[str] = ""

    plugin: str = Field(description="`kind/name` of the plugin")
    params: dict[str, Any] = Field(
        default_factory=dict,
        description='its parameters; in place of any value {"between": [lowest, highest]} or '
        '{"among": [values]}, from which each pair draws its own',
    )
    result_version: int = Field(
        default=0, description="version of the plugin's results; set by the installed plugin"
    )

    _class: type[Plugin] = PrivateAttr()
    _ranges: dict[Path, Range] = PrivateAttr()

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """Check the parameters, ranges included, and complete them."""
        if not isinstance(values, Mapping) or not isinstance(values.get("plugin"), str):
            return values
        params = values.get("params", {})
        if not isinstance(params, Mapping):
            return values
        plugin_class = cls._plugin_class(values["plugin"])
        try:
            ranges = dict(ranges_in(params))
        except ValueError as error:
            message, path = error.args
            reject(("params", *path), message)
        found = _with_integers(plugin_class, params, ranges)
        for number, shares in enumerate(_shares(len(found))):
            made = _made(plugin_class, params, found, shares)
            if number == 0:
                whole = made.model_dump(mode="json")
        varied = {path[0] for path in found}
        kept = {name: params[name] if name in varied else value for name, value in whole.items()}
        return {**values, "params": kept, "result_version": plugin_class.result_version}

    @classmethod
    def _plugin_class(cls, identifier: str) -> type[Plugin]:
        try:
            plugin_class = registry().plugin(identifier)
        except FibError as error:
            reject(("plugin",), str(error))
        if plugin_class.kind != cls.kind:
            reject(("plugin",), f"{identifier} is no {cls.kind}; give a plugin {cls.kind}/<name>")
        if issubclass(plugin_class, Trainable) and not plugin_class.works_unfitted:
            reject(
                ("plugin",),
                f"{identifier} must be fitted first: fit it in a step of its own, and give that "
                f"step as an input",
            )
        return plugin_class

    def model_post_init(self, context: Any) -> None:
        """Look the plugin up once; another process may not have it in its registry."""
        self._class = registry().plugin(self.plugin)
        self._ranges = _with_integers(self._class, self.params, dict(ranges_in(self.params)))

    def drawn(self, rng: np.random.Generator) -> Plugin:
        """Return the plugin with parameters drawn at random from their ranges.

        Raises:
            FibError: the plugin rejects this combination of values.
        """
        shares = rng.random(len(self._ranges)).tolist()
        try:
            return _made(self._class, self.params, self._ranges, shares)
        except ValidationError as error:
            reasons = "; ".join(item["msg"] for item in error.errors())
            raise FibError(
                f"{self.plugin} rejects parameters that were drawn: {reasons}. Make the ranges "
                f"smaller"
            ) from None

    def examples(self) -> Iterator[Plugin]:
        """Yield the plugin at the ends of its ranges, and at some places between them."""
        for shares in _shares(len(self._ranges)):
            yield _made(self._class, self.params, self._ranges, shares)


def _shares(count: int) -> Iterator[list[float]]:
    """Yield the shares of so many ranges at which a plugin is checked: ends first."""
    if count == 0:
        yield []
        return
    if count <= ALL_ENDS_OF:
        yield from map(list, product((0.0, 1.0), repeat=count))
    else:
        yield [0.0] * count
        yield [1.0] * count
        for place, end in product(range(count), (0.0, 1.0)):
            yield [end if i == place else 0.5 for i in range(count)]
    yield from np.random.default_rng(0).random((TRIALS, count)).tolist()


def _made(
    plugin_class: type[Plugin],
    params: Mapping[str, Any],
    ranges: Mapping[Path, Range],
    shares: list[float],
) -> Plugin:
    """Return the plugin with the values at these shares of its ranges.

    Raises:
        ValidationError: it rejects them.
    """
    drawn = {
        path: part.at(share) for (path, part), share in zip(ranges.items(), shares, strict=True)
    }
    values = filled(params, drawn)
    try:
        return plugin_class.model_validate(values)
    except ValidationError as error:
        details = []
        for location, message in explain(error, plugin_class, values):
            path = next((path for path in ranges if location[: len(path)] == path), location)
            if path in ranges:
                message = f"{message} ({ranges[path]})"
            elif drawn:
                chosen = ", ".join(f"{_name(path)} {value}" for path, value in drawn.items())
                message = f"{message} (with {chosen})"
            details.append(_detail(("params", *path), message))
        raise ValidationError.from_exception_data(plugin_class.identifier(), details) from None


def _with_integers(
    plugin_class: type[Plugin], params: Mapping[str, Any], ranges: Mapping[Path, Range]
) -> dict[Path, Range]:
    """Return the ranges; those of parameters that take integers only draw integers."""
    found = dict(ranges)
    for path, part in ranges.items():
        if not isinstance(part, Between) or not (
            isinstance(part.low, int) and isinstance(part.high, int)
        ):
            continue
        values = {other: each.at(0.0) for other, each in ranges.items()}
        values[path] = part.low + 0.5
        try:
            plugin_class.model_validate(filled(params, values))
        except ValidationError as error:
            if any(
                item["type"] in INTEGER_ERRORS and item["loc"][: len(path)] == path
                for item in error.errors()
            ):
                found[path] = replace(part, integers=True)
    return found


def _name(path: Path) -> str:
    return ".".join(map(str, path))


def _detail(location: Path, message: str) -> Any:
    context = {"error": ValueError(message)}
    return {"type": "value_error", "loc": location, "input": None, "ctx": context}


def reject(location: Path, message: str) -> NoReturn:
    """Raise a `ValidationError` with a message at a place among the parameters."""
    raise ValidationError.from_exception_data("parameters", [_detail(location, message)])
