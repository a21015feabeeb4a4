"""What the site takes from the code itself when it is built, so that it cannot go stale.

An mkdocs hook. A line ``<!-- generated: commands -->`` in a page becomes the reference of the
commands; `SECTIONS` names the others. The pictures of `PICTURES` are computed by fib.
"""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import typer
from pydantic import BaseModel

from fib_plugins.commands.plugins import parameters_of
from fibcore.cli.extensions import command_line
from fibcore.contracts import products, slots, verbs
from fibcore.hooks import REGISTER_HOOKS
from fibcore.kinds import KINDS
from fibcore.plugin import Plugin, Trainable
from fibcore.reader import Reader
from fibcore.registry import registry

MARK = re.compile(r"^<!-- generated: (\w+) -->$", re.MULTILINE)


def commands() -> str:
    """Return every command with its arguments and options."""
    return "\n".join(_command(typer.main.get_command(command_line()), "fib", level=2))


def _command(command: Any, name: str, level: int) -> Iterator[str]:
    yield f"{'#' * level} `{name}`\n"
    yield f"{command.help}\n"
    subcommands = getattr(command, "commands", {})
    arguments = [p for p in command.params if not p.opts[0].startswith("-")]
    usage = [name, "[OPTIONS]", *(_usage(argument) for argument in arguments)]
    if subcommands:
        usage = [name, "COMMAND"]
    yield f"```text\n{' '.join(usage)}\n```\n"
    options = [p for p in command.params if p.opts[0].startswith("-")]
    if arguments or options:
        yield "| argument or option | meaning | default |\n|---|---|---|"
        for parameter in (*arguments, *options):
            yield _parameter(parameter)
        yield ""
    for key, subcommand in subcommands.items():
        yield from _command(subcommand, f"{name} {key}", level=3 if " " in name else 2)


def _usage(argument: Any) -> str:
    name = argument.name.upper() + ("..." if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _parameter(parameter: Any) -> str:
    names = [*parameter.opts, *parameter.secondary_opts]
    takes_value = parameter.opts[0].startswith("-") and not parameter.is_flag
    value = (parameter.metavar or parameter.name.strip("_").upper()) if takes_value else ""
    if not parameter.opts[0].startswith("-"):
        names = [parameter.name.upper()]
    written = ", ".join(f"`{name} {value}`" if value else f"`{name}`" for name in names)
    default = parameter.default
    shown = "" if default is None or default is False or callable(default) else f"`{default}`"
    if default is True:
        shown = f"`{names[0]}`"
    if parameter.required:
        shown = "required"
    if parameter.envvar:
        shown += f" (or the environment variable `{parameter.envvar}`)"
    return f"| {written} | {parameter.help} | {shown} |"


def plugins() -> str:
    """Return every installed plugin of fib itself: what it does, its contract, its parameters."""
    lines = []
    for kind in KINDS:
        plural = REGISTER_HOOKS[kind].removeprefix("fib_register_")
        lines.append(f"## {plural.capitalize()}\n")
        lines += [_plugin(e.item) for e in registry().entries(kind) if e.distribution == "fibtomo"]
    return "\n".join(lines)


def _plugin(plugin: type[Plugin]) -> str:
    name = plugin.identifier()
    lines = [f"### `{name}` {{ #{name.replace('/', '-')} }}\n", inspect.getdoc(plugin) or "", ""]
    for verb, method in verbs(plugin).items():
        takes = ", ".join(
            f"`{slot.name}` ({slot}{'' if slot.required else ', optional'})"
            for slot in slots(plugin, method).values()
        )
        leaves = ", ".join(f"`{n}` ({what})" for n, what in products(plugin, method).items())
        if issubclass(plugin, Reader):
            takes = f"files that end in {', '.join(f'`{s}`' for s in plugin.suffixes)}"
            leaves = " or ".join(f"`{n}`" for n in products(plugin, method))
        lines.append(f"**{verb}**: takes {takes or 'nothing'}; leaves {leaves}.\n")
    if issubclass(plugin, Trainable) and plugin.apply_params:
        changeable = ", ".join(f"`{name}`" for name in sorted(plugin.apply_params))
        lines.append(f"**apply** may still set: {changeable}.\n")
    rows = parameters_of(plugin) if plugin.model_fields else []
    return "\n".join(lines) + "\n" + _parameters(rows) + "\n"


def _parameters(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return "No parameters.\n"
    lines = ["| parameter | type | default | meaning |", "|---|---|---|---|"]
    for row in rows:
        default = row["default"] if row["default"] == "required" else f"`{row['default']}`"
        meaning = " ".join(row["description"].split()).replace("|", "\\|")
        lines.append(f"| `{row['name']}` | `{row['type']}` | {default} | {meaning} |")
    return "\n".join(lines) + "\n"


def materials() -> str:
    """Return the built-in materials with their sources."""
    lines = [
        "| material | composition (atoms) | g/cm³ | mean Z | source |",
        "|---|---|---|---|---|",
    ]
    for entry in registry().entries("material"):
        if entry.distribution != "fibtomo":
            continue
        material = entry.item
        parts = " ".join(f"{s} {amount:g}" for s, amount in material.composition.items()) or "none"
        lines.append(
            f"| `{material.name}` | {parts} | {material.density_g_cm3:g} "
            f"| {material.mean_atomic_number:.1f} | {material.source} |"
        )
    return "\n".join(lines) + "\n"


def pipeline_file() -> str:
    """Return the fields of a pipeline file."""
    from fib_plugins.readers.stacks.params import StackParams
    from fibcore.pipeline.spec import Pipeline, Source, Step

    parts: list[tuple[str, type[BaseModel]]] = [
        ("The file", Pipeline),
        ("A step", Step),
        ("An input that is more than a step's id", Source),
        ("`params` of a step that loads a volume", StackParams),
    ]
    lines = []
    for title, model in parts:
        lines += [f"## {title}\n", "| field | meaning | default |\n|---|---|---|"]
        for name, field in model.model_fields.items():
            default = "required" if field.is_required() else ""
            lines.append(f"| `{field.alias or name}` | {field.description or ''} | {default} |")
        lines.append("")
    return "\n".join(lines)


@cache
def _tour() -> dict[str, Any]:
    """Return what the first code of the guide to Python makes."""
    page = (Path(__file__).parent / "guide" / "python.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def _shown(name: str) -> str:
    """Return what a notebook shows of it."""
    return f'<div class="shown" markdown="0">{_tour()[name]._repr_html_()}</div>'


SECTIONS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "plugins": plugins,
    "materials": materials,
    "pipeline_file": pipeline_file,
    "shown_labels": partial(_shown, "structure"),
    "shown_images": partial(_shown, "images"),
    "shown_table": partial(_shown, "table"),
}


@cache
def _shine_through() -> dict[str, Any]:
    """Return one slice of a virtual structure, as it is and as it is imaged at two voltages."""
    from fibcore import Context

    def plugin(name: str, **params: Any) -> Any:
        return registry().plugin(name)(**params)

    structure = plugin(
        "generator/leveled_wave", shape=(64, 160, 280), voxel_size_nm=3.26,
        ligament_diameter_nm=60, solid_fraction=0.35, waves=2000,
    ).generate(seed=4)  # fmt: skip
    camera = plugin(
        "simulator/surrogate", energies_kev=(1, 4), slices=(0, 1), electrons_per_pixel=400
    )
    images = camera.simulate(structure, context=Context(seed=1))
    otsu = plugin("segmenter/threshold").predict(images.select([4]))
    low, high = images.data[0, 0].min(), images.data[0, 0].max()
    return {
        "structure": structure.data[0],
        "images-1kv": (images.data[0, 0] - low) / (high - low),
        "images-4kv": (images.data[1, 0] - low) / (high - low),
        "otsu-4kv": otsu.data[0],
    }


STRUCTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "structure-wave": (
        "generator/leveled_wave",
        {"ligament_diameter_nm": 100, "solid_fraction": 0.5, "waves": 2000},
    ),
    "structure-spinodal": (
        "generator/spinodal",
        {"ligament_diameter_nm": 100, "solid_fraction": 0.5},
    ),
    "structure-open-foam": (
        "generator/foam",
        {"cell_diameter_nm": 300, "thickness_nm": 50, "node_thickening": 2},
    ),
    "structure-closed-foam": (
        "generator/foam",
        {"cells": "closed", "cell_diameter_nm": 300, "thickness_nm": 25},
    ),
    "structure-grains": (
        "generator/foam",
        {"cells": "grains", "arrangement": "packed", "cell_diameter_nm": 200,
         "cell_diameter_std_nm": 60, "solid_fraction": 0.85},
    ),
    "structure-crystals": (
        "generator/particles",
        {"particle_shape": "polyhedron", "diameter_nm": 150, "diameter_std_nm": 50,
         "solid_fraction": 0.5, "materials": ("epoxy", "Au")},
    ),
    "structure-electrode": (
        "generator/electrode",
        {"voxel_size_nm": 60, "diameter_nm": 1800, "diameter_std_nm": 900, "fraction": "expected"},
    ),
}  # fmt: skip
"""Name of a picture -> generator and parameters of the structure that a slice is shown of."""
PICTURES = ("structure", "images-1kv", "images-4kv", "otsu-4kv", *STRUCTURES)


def _structure(name: str) -> Any:
    generator, params = STRUCTURES[name]
    shape = {"shape": (8, 150, 150), "voxel_size_nm": 5}
    labels = registry().plugin(generator)(**shape | params).generate(seed=2)
    return np.array([0.0, 1.0, 0.5])[labels.data[4]]


def picture(name: str) -> bytes:
    """Return one picture as PNG."""
    from matplotlib.image import imsave

    png = io.BytesIO()
    plane = _structure(name) if name in STRUCTURES else _shine_through()[name]
    imsave(png, plane, cmap="gray", vmin=0, vmax=1)
    return png.getvalue()


def fill(markdown: str) -> str:
    """Return a page with its generated sections in place.

    Raises:
        KeyError: a mark names no section.
    """
    return MARK.sub(lambda mark: SECTIONS[mark[1]](), markdown)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Mkdocs calls this with the text of every page."""
    return fill(markdown)


def on_files(files: Any, config: Any) -> Any:
    """Mkdocs calls this with the files of the site; add the pictures."""
    from mkdocs.structure.files import File

    for name in PICTURES:
        files.append(File.generated(config, f"img/{name}.png", content=picture(name)))
    return files
