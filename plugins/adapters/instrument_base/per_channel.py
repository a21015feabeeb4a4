"""Parameters that take one number for all channels, or one for each."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, get_args

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler

T = TypeVar("T")


def _several(value: Any) -> Any:
    if isinstance(value, (int, float)):
        return (value,)
    if isinstance(value, (list, tuple)) and value:
        return value
    raise ValueError("give one number for all channels, or a list with one for each channel")


class _OneForAll:
    """Takes a single number for a tuple of it, in validation and in the JSON schema."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> Any:
        one = get_args(source)[0]
        given = one | Annotated[source, Field(min_length=1)]
        takes = BeforeValidator(_several, json_schema_input_type=given)
        return takes.__get_pydantic_core_schema__(source, handler)


PerChannel = Annotated[tuple[T, ...], _OneForAll()]
"""One number for all channels, or one for each, in the order of the images' channels."""
