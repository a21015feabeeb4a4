"""``fib plugins list|show|check``."""

from __future__ import annotations

import json
from typing import Any

import typer
from pydantic import BaseModel
from rich.text import Text

from fib_plugins.commands.json_schema import schema_of
from fib_plugins.terminal_tables import Column, print_table
from fibcore.cli import echo, echo_wrapped, plain, write_json
from fibcore.contracts import products, slots, verbs
from fibcore.errors import UsageError, did_you_mean, listed
from fibcore.kinds import KINDS
from fibcore.plugin import Plugin, Trainable
from fibcore.reader import Reader
from fibcore.registry import Registered, registry
from fibcore.text import text_of


def check_kind(kind: str) -> None:
    """Raise a `UsageError` that lists the kinds if the name is not one of them."""
    if kind not in KINDS:
        raise UsageError(
            f"no kind {kind!r}; the kinds: {listed(KINDS)}.{did_you_mean(kind, KINDS)}"
        )


def list_command(kind: str | None, as_json: bool) -> None:
    """List plugins, and those that cannot be used."""
    if kind is not None:
        check_kind(kind)
    found = registry().entries(kind)
    broken = registry().broken
    if as_json:
        write_json(
            {
                "plugins": [
                    {
                        "plugin": e.identifier,
                        "summary": e.item.summary() if e.imported else None,
                        "trainable": issubclass(e.item, Trainable) if e.imported else None,
                        "distribution": e.distribution,
                        "version": e.version,
                    }
                    for e in found
                ],
                "broken": [
                    {
                        "entry_point": b.entry_point,
                        "distribution": b.distribution,
                        "version": b.version,
                        "reason": b.reason,
                    }
                    for b in broken
                ],
            }
        )
        return
    print_table(
        [
            Column("plugin", style="bold"),
            Column("what it does", text=True),
            Column("from", style="dim"),
        ],
        [[e.identifier, _summary(e), f"{e.distribution} {e.version}"] for e in found],
    )
    for item in broken:
        echo()
        who = f"{item.distribution} {item.version} ({item.entry_point})"
        echo(Text("not usable: ", "red"), f"{who}: {item.reason}")


def _summary(entry: Registered) -> str:
    """Return the summary of a plugin that is imported."""
    return entry.item.summary() if entry.imported else "(imported when it is used)"


def show_command(name: str, as_json: bool) -> None:
    """Show one plugin."""
    entry = registry().entry(name)
    plugin = registry().plugin(name)
    contract: dict[str, dict[str, dict[str, Any]]] = {
        verb: {
            "inputs": {n: (str(s), s.required) for n, s in slots(plugin, method).items()},
            "results": {n: str(p) for n, p in products(plugin, method).items()},
        }
        for verb, method in verbs(plugin).items()
    }
    if as_json:
        write_json(
            {
                "plugin": name,
                "distribution": entry.distribution,
                "version": entry.version,
                "result_version": plugin.result_version,
                "description": plugin.__doc__,
                "contract": contract,
                "parameters": schema_of(plugin),
            }
        )
        return
    echo(plain(name, "bold"), plain(f"  {entry.distribution} {entry.version}", "dim"))
    echo()
    echo_wrapped(_plain(plugin))
    echo()
    for verb, parts in contract.items():
        inputs = ", ".join(
            f"{n} ({what}{'' if required else ', optional'})"
            for n, (what, required) in parts["inputs"].items()
        )
        results = ", ".join(f"{n} ({what})" for n, what in parts["results"].items())
        if issubclass(plugin, Reader):
            inputs, results = f"files {' '.join(plugin.suffixes)}", " or ".join(parts["results"])
        echo_wrapped(plain(f"{verb}: ", "bold") + plain(f"{inputs or 'no inputs'} -> {results}"))
    echo()
    print_table(
        [
            Column("parameter"),
            Column("type", text=True),
            Column("default", text=True),
            Column("description", text=True),
        ],
        [
            [str(parameter[c]) for c in ("name", "type", "default", "description")]
            for parameter in parameters_of(plugin)
        ],
    )


def parameters_of(plugin: type[Plugin]) -> list[dict[str, Any]]:
    """Return name, type, default and description of each parameter of a plugin."""
    properties = (schema_of(plugin) or {}).get("properties", {})
    rows = []
    for name, field in plugin.model_fields.items():
        if field.is_required():
            default = "required"
        elif field.default_factory is not None:
            default = "created for each use"
        else:
            default = json.dumps(_jsonable(field.default), default=text_of)
        rows.append(
            {
                "name": field.alias or name,
                "type": _type_name(properties.get(field.alias or name, {})),
                "default": default,
                "description": field.description or "",
            }
        )
    return rows


def check_plugins_command(name: str | None, as_json: bool) -> None:
    """Check one plugin; or all of them, and report those that cannot be used."""
    from fib_plugins.testing import check_plugin

    entries = registry().usable() if name is None else [registry().entry(name)]
    found = {entry.identifier: check_plugin(entry.item) for entry in entries}
    if name is None:
        for item in registry().broken:
            found.setdefault(f"{item.distribution} ({item.entry_point})", []).append(item.reason)
    if as_json:
        write_json(found)
    else:
        for identifier, problems in found.items():
            echo(Text("✗ ", "red") if problems else Text("✓ ", "green"), identifier)
            for problem in problems:
                echo(f"    {problem}")
    if any(found.values()):
        raise typer.Exit(1)


def _plain(plugin: type[Plugin]) -> str:
    """Return the docstring with each paragraph on one line, to be wrapped by the terminal."""
    import inspect

    paragraphs = (inspect.getdoc(plugin) or "").strip().split("\n\n")
    lists = ("-", "|", " ")
    return "\n\n".join(
        text
        if any(line.startswith(lists) for line in text.splitlines())
        else " ".join(text.split())
        for text in paragraphs
    )


def _jsonable(value: Any) -> Any:
    from fibcore.materials import Material

    if isinstance(value, Material):
        return value.name
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    return value


def _type_name(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if "const" in schema:
        return json.dumps(schema["const"])
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_type_name(option) for option in schema["anyOf"]))
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[-1].lower()
    kind = schema.get("type", "any")
    if kind == "array":
        items = schema.get("prefixItems")
        if items:
            return f"[{', '.join(_type_name(item) for item in items)}]"
        return f"[{_type_name(schema.get('items', {}))}, ...]"
    limits = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[name]:g}" for name, sign in limits.items() if name in schema]
    names = {"integer": "int", "number": "float", "boolean": "bool", "string": "text"}
    return names.get(kind, kind) + (f" {', '.join(bounds)}" if bounds else "")
