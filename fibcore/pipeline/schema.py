"""The JSON Schema of pipeline files, for editors: completion, descriptions, red underlines."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fibcore.contracts import slots, verbs
from fibcore.errors import FibError
from fibcore.pipeline.spec import Pipeline, Source
from fibcore.registry import registry


def pipeline_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of pipeline files with the installed plugins."""
    from fib_plugins.readers.stacks.params import LoadParams

    plugins = [entry.item for entry in registry().usable()]
    models: list[tuple[type[BaseModel], str]]
    models = [(Pipeline, "validation"), (Source, "validation"), (LoadParams, "validation")]
    models += [(plugin, "validation") for plugin in plugins]
    places, definitions = models_json_schema(models)  # type: ignore[arg-type]
    defs = definitions["$defs"]
    schema = dict(defs.pop("Pipeline"))
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "fib pipeline"
    step = defs["Step"]
    source = {
        "anyOf": [
            {"type": "string", "description": "id of an earlier step"},
            {"$ref": "#/$defs/Source"},
        ]
    }
    sources = {"anyOf": [*source["anyOf"], {"type": "array", "items": source, "minItems": 1}]}
    step["properties"]["inputs"]["additionalProperties"] = sources
    step["oneOf"] = [{"required": [verb]} for verb in ("run", "fit", "apply", "load")]
    rules: list[dict[str, Any]] = []
    named: dict[str, list[dict[str, str]]] = {"run": [], "fit": []}
    for plugin in plugins:
        identifier = plugin.identifier()
        for verb, method in verbs(plugin).items():
            if verb not in named:
                continue  # a step that applies a model names another step, not the plugin
            named[verb].append({"const": identifier, "description": plugin.summary()})
            properties: dict[str, Any] = {"params": places[(plugin, "validation")]}
            inputs = _inputs(plugin, method)
            if inputs is not None:
                properties["inputs"] = {
                    "type": "object",
                    "properties": {name: sources for name in inputs},
                    "required": [name for name, slot in inputs.items() if slot.required],
                    "additionalProperties": False,
                }
            condition = {"properties": {verb: {"const": identifier}}, "required": [verb]}
            rules.append({"if": condition, "then": {"properties": properties}})
    rules.append(
        {
            "if": {
                "required": ["load"],
                "properties": {
                    "load": {"type": "string", "not": {"pattern": r"\.(csv|safetensors)$"}}
                },
            },
            "then": {"properties": {"params": places[(LoadParams, "validation")]}},
        }
    )
    for verb, choices in named.items():
        step["properties"][verb] = {"oneOf": choices, "description": f"plugin to {verb}"}
    for verb in ("apply", "load"):
        step["properties"][verb] = {
            "type": "string",
            "description": step["properties"][verb].get("description", ""),
        }
    step["allOf"] = rules
    schema["$defs"] = defs
    return schema


def _inputs(plugin: Any, method: str) -> dict[str, Any] | None:
    try:
        return slots(plugin, method)
    except FibError:
        return None
