"""Messages for validation errors: what was given, what is allowed, the nearest name."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from fibcore.errors import MOST_PROBLEMS, did_you_mean, listed

Location = tuple[str | int, ...]


def explain(
    error: ValidationError, model: type[BaseModel], data: Any
) -> Iterator[tuple[Location, str]]:
    """Yield (location in `data`, message) for each problem.

    pydantic reports one error for each member of a union; these are joined into one message at the
    value that the user wrote.
    """
    messages: dict[Location, list[str]] = {}
    items = error.errors(include_url=False)
    for item in items[: MOST_PROBLEMS + 1]:
        if item["type"] == "too_short" and any(
            len(other["loc"]) > len(item["loc"]) and other["loc"][: len(item["loc"])] == item["loc"]
            for other in items
        ):
            continue  # pydantic counts only valid members; the invalid ones are reported anyway
        location = _in_data(item["loc"], data, item["type"] in ("extra_forbidden", "missing"))
        message = _message(item, model)
        known = messages.setdefault(location, [])
        if message not in known:
            known.append(message)
    for location, texts in messages.items():
        yield location, "; or ".join(texts)


def booleans_as_numbers(given: Any, made: Any) -> Iterator[Location]:
    """Yield where ``true`` or ``false`` was given and became a number, as pydantic lets it.

    Args:
        given: JSON values.
        made: what a model has made of them, dumped.
    """
    if isinstance(given, bool):
        if isinstance(made, (int, float, list, tuple)) and not isinstance(made, bool):
            yield ()
    elif isinstance(given, Mapping) and isinstance(made, Mapping):
        for name, value in given.items():
            for place in booleans_as_numbers(value, made.get(name)):
                yield (name, *place)
    elif isinstance(given, (list, tuple)) and isinstance(made, (list, tuple)):
        for index, (value, result) in enumerate(zip(given, made, strict=False)):
            for place in booleans_as_numbers(value, result):
                yield (index, *place)


def _in_data(location: Location, data: Any, keep_last: bool) -> Location:
    path: list[Any] = []
    part: Any
    for number, part in enumerate(location):
        if (isinstance(data, Mapping) and part in data) or (
            isinstance(data, (list, tuple)) and isinstance(part, int) and part < len(data)
        ):
            data = data[part]
        elif not (keep_last and number == len(location) - 1):
            continue  # internal to pydantic (a member of a union, a list made from one value)
        path.append(part)
    return tuple(path)


def _message(item: Any, model: type[BaseModel]) -> str:
    kind, context = item["type"], item.get("ctx", {})
    name = item["loc"][-1] if item["loc"] else ""
    if kind == "extra_forbidden":
        allowed = parameter_names(_model_at(model, item["loc"][:-1]))
        return f"unknown name {name!r}; allowed: {listed(allowed, 40)}." + did_you_mean(
            str(name), allowed
        )
    if kind == "missing":
        return f"{name!r} is missing"
    if kind == "value_error":
        return str(context.get("error", item["msg"]))
    text = item["msg"].replace("Input should be", "must be").replace("String should", "must")
    text = text[0].lower() + text[1:]
    given = repr(item["input"])
    given = given if len(given) <= 60 else given[:57] + "..."
    hint = ""
    if kind == "literal_error" and isinstance(item["input"], str):
        hint = did_you_mean(item["input"], re.findall(r"'([^']*)'", context.get("expected", "")))
    return f"{text}, not {given}" + (f".{hint}" if hint else "")


def parameter_names(model: type[BaseModel] | None) -> list[str]:
    """Return the names of a model's fields as written in a pipeline file."""
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: type[BaseModel], location: Location) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in location:
        if current is None or not isinstance(part, str):
            continue
        for name, field in current.model_fields.items():
            if part in (name, field.alias):
                current = next(_models_in(field.annotation), None)
                break
    return current


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _models_in(argument)
