"""JSON Schemas of parameters, including those that JSON cannot represent."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind


class Lenient(GenerateJsonSchema):
    """Describes functions, arrays and the like as any value, and omits such defaults."""

    ignored_warning_kinds: ClassVar[set[JsonSchemaWarningKind]] = {  # type: ignore[misc]
        "skipped-choice",
        "non-serializable-default",
    }

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        """Return the schema of any value."""
        return {}

    def default_schema(self, schema: Any) -> dict[str, Any]:
        """Return the schema of a value that has a default; a default that is not JSON is omitted.

        pydantic omits some of them, but not NaN and infinity.
        """
        try:
            found = super().default_schema(schema)
        except ValueError:  # pydantic before 2.13 raises it for bytes that are no text
            return self.generate_inner(schema["schema"])
        try:
            json.dumps(found.get("default"), allow_nan=False)
        except (TypeError, ValueError):
            del found["default"]
        return found


def schema_of(model: type[BaseModel]) -> dict[str, Any] | None:
    """Return the JSON Schema of a model; None if the model generates its own, and that fails."""
    try:
        return model.model_json_schema(schema_generator=Lenient)
    except KeyboardInterrupt:
        raise
    except BaseException:
        return None
