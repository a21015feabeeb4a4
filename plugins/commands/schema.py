"""``fib schema``: the JSON Schema of pipeline files, for completion and checks in editors."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fib_plugins.commands.json_schema import Lenient, schema_of
from fibcore.cli import write
from fibcore.contracts import slots, verbs
from fibcore.errors import FibError, UsageError
from fibcore.pipeline.spec import Pipeline, Source
from fibcore.reader import Reader
from fibcore.registry import registry
from fibcore.text import shown


def schema_command(out: Path | None) -> None:
    """Print or write the JSON Schema of pipeline files."""
    text = json.dumps(pipeline_schema(), indent=1) + "\n"
    if out is None:
        write(text)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {shown(out)}: {error.strerror or error}") from error


def pipeline_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of pipeline files with the installed plugins."""
    plugins = [entry.item for entry in registry().usable()]
    models: list[tuple[type[BaseModel], str]]
    models = [(Pipeline, "validation"), (Source, "validation")]
    models += [(plugin, "validation") for plugin in plugins if schema_of(plugin) is not None]
    places, definitions = models_json_schema(models, schema_generator=Lenient)  # type: ignore[arg-type]
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
                continue  # an ``apply`` step names another step, not the plugin
            named[verb].append({"const": identifier, "description": plugin.summary()})
            params = places.get((plugin, "validation"), {"type": "object"})
            properties: dict[str, Any] = {"params": params}
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
    readers = [plugin for plugin in plugins if issubclass(plugin, Reader)]
    for reader in readers:
        rules.append(_loading(_ending([reader]), places.get((reader, "validation"), {})))
    stacks = [places.get((reader, "validation"), {}) for reader in readers if reader.stacks_files]
    if stacks:  # folders and globs with any content
        rules.append(_loading({"not": _ending(readers)}, {"anyOf": stacks}))
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


def _loading(source: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    """Return the rule that steps with such a source have these parameters."""
    condition = {"required": ["load"], "properties": {"load": {"type": "string", **source}}}
    return {"if": condition, "then": {"properties": {"params": params}}}


def _ending(readers: Sequence[type[Reader]]) -> dict[str, Any]:
    """Return the schema of a text that ends in a suffix of these readers; case is ignored."""
    suffixes = [suffix for reader in readers for suffix in reader.suffixes]
    written = [
        "".join(f"[{c}{c.upper()}]" if c.isalpha() else re.escape(c) for c in suffix)
        for suffix in suffixes
    ]
    return {"pattern": f"({'|'.join(written)})$"}


def _inputs(plugin: Any, method: str) -> dict[str, Any] | None:
    try:
        return slots(plugin, method)
    except FibError:
        return None
