"""``fib init``: write a template."""

from __future__ import annotations

import keyword
import re
import shlex
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from fib_plugins.commands.plugins import check_kind
from fibcore.cli import echo
from fibcore.errors import UsageError, did_you_mean, listed
from fibcore.files import write_whole
from fibcore.pipeline.store import make_writable

PIPELINES = {
    "quickstart": "quickstart.json",
    "my-stack": "my_stack.json",
    "my-electrode": "my_electrode.json",
}
TEMPLATES = (*PIPELINES, "plugin")
PACKAGE = "example_plugins"


def init_command(template: str, folder: Path, kind: str | None, force: bool) -> None:
    """Write the files of a template.

    Args:
        template: one of `TEMPLATES`.
        folder: folder to write to.
        kind: for a plugin: write a minimal package with one plugin of this kind; None: a package
            with several plugins, a pipeline and tests.
        force: overwrite files.

    Raises:
        UsageError: the template or the kind is unknown, or files exist already (without `force`).
    """
    if template not in TEMPLATES:
        raise UsageError(
            f"no template {template!r}; the templates: {listed(TEMPLATES)}."
            + did_you_mean(template, TEMPLATES)
        )
    if kind is not None and template != "plugin":
        raise UsageError(f"--kind is an option of the template plugin, not of {template}")
    name, place = package_name(folder), shlex.quote(str(folder))
    if template in PIPELINES:
        texts = {PIPELINES[template]: _template(PIPELINES[template])}
        following = f"fib run {shlex.quote(str(folder / PIPELINES[template]))}"
    elif kind is None:
        texts = _package(name)
        following = f"pip install -e {place}, then `fib plugins list`"
    else:
        check_kind(kind)
        texts = _plugin(kind, name)
        following = f"pip install -e {place}, then `fib plugins check {kind}/{name}`"
    paths = {folder / name: text for name, text in texts.items()}
    there = [path for path in paths if path.exists()]
    if there and not force:
        raise UsageError(
            f"not overwritten: {listed(map(str, there))}; choose another folder, or pass --force"
        )
    for path, text in paths.items():
        make_writable(path.parent)
        write_whole(path, text, lasting=False)
        echo(f"wrote {path}")
    echo(f"next: {following}")


def package_name(folder: Path) -> str:
    """Return a Python package name made from a folder's name."""
    name = re.sub(r"[^a-z0-9]+", "_", folder.absolute().name.lower()).strip("_")
    taken = keyword.iskeyword(name) or name in sys.stdlib_module_names
    return name if name.isidentifier() and not taken else f"{PACKAGE}_{name}".rstrip("_")


def _plugin(kind: str, name: str) -> dict[str, str]:
    """Return the files of a minimal package with one plugin."""
    words = {"kind": kind, "name": name, "Name": name.title().replace("_", "")}
    return {
        "pyproject.toml": Template(_template("kinds/pyproject.toml.template")).substitute(words),
        f"src/{name}.py": Template(_template(f"kinds/{kind}.py.template")).substitute(words),
    }


def _package(name: str) -> dict[str, str]:
    """Return the files of a package with several plugins, a pipeline and tests."""
    return {
        path.replace(PACKAGE, name): text.replace(PACKAGE, name)
        for path, text in _tree(files(__package__).joinpath("templates", "package"))
    }


def _template(name: str) -> str:
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _tree(folder: Traversable, prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.name == "__pycache__":
            continue
        if item.is_dir():
            found += _tree(item, f"{prefix}{item.name}/")
        else:
            name = item.name.removesuffix(".template")
            found.append((prefix + name, item.read_text(encoding="utf-8")))
    return found
