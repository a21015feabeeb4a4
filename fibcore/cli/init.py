"""``fib init``: start from a template."""

from __future__ import annotations

import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from fibcore.cli.terminal import say
from fibcore.errors import UsageError, did_you_mean, listed
from fibcore.files import write_whole
from fibcore.pipeline.store import make_writable

PIPELINES = {"quickstart": "quickstart.json", "my-stack": "my_stack.json"}
TEMPLATES = (*PIPELINES, "plugin")
PACKAGE = "example_plugins"


def init_command(template: str, folder: Path, force: bool) -> None:
    """Write the files of a template.

    Raises:
        UsageError: unknown template, or files that are there already (without `force`).
    """
    if template not in TEMPLATES:
        raise UsageError(
            f"no template {template!r}; there are {listed(TEMPLATES)}."
            + did_you_mean(template, TEMPLATES)
        )
    root = files("fibcore").joinpath("templates")
    if template in PIPELINES:
        name = PIPELINES[template]
        texts = {folder / name: root.joinpath(name).read_text(encoding="utf-8")}
    else:
        package = package_name(folder)
        texts = {
            folder / name.replace(PACKAGE, package): text.replace(PACKAGE, package)
            for name, text in _tree(root.joinpath("plugin"))
        }
    there = [path for path in texts if path.exists()]
    if there and not force:
        raise UsageError(
            f"{listed(map(str, there))} exists already; choose another folder, or pass --force to "
            f"overwrite"
        )
    for path, text in texts.items():
        make_writable(path.parent)
        write_whole(path, text, lasting=False)
        say(f"wrote {path}")
    if template == "plugin":
        say(f"next: pip install -e {folder}, then `fib plugins list`")
    else:
        say(f"next: fib run {next(iter(texts))}")


def package_name(folder: Path) -> str:
    """Return a Python package name made from a folder's name."""
    name = re.sub(r"\W+", "_", folder.absolute().name).strip("_").lower()
    return name if name.isidentifier() else f"{PACKAGE}_{name}".rstrip("_")


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
