"""JSON Schemas of parameters, also of those that JSON has no word for."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import PydanticSerializationError


class Lenient(GenerateJsonSchema):
    """Describes a function, an array and the like as any value, and leaves such defaults out."""

    ignored_warning_kinds: ClassVar[set[JsonSchemaWarningKind]] = {  # type: ignore[misc]
        "skipped-choice",
        "non-serializable-default",
    }

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Return the schema of any value."""
        return {}

    def encode_default(self, dft: Any) -> Any:
        """Return a default as JSON has it.

        Raises:
            PydanticSerializationError: it cannot be written as JSON.
        """
        default = super().encode_default(dft)
        try:
            json.dumps(default, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise PydanticSerializationError(str(error)) from error
        return default


def schema_of(model: type[BaseModel]) -> dict[str, Any] | None:
    """Return the JSON Schema of a model; None if the model has its own way, and that fails."""
    try:
        return model.model_json_schema(schema_generator=Lenient)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None
