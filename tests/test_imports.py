"""Who imports whom, read from the source: imports under TYPE_CHECKING and in functions count."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest

from fibcore.hooks import REGISTER_HOOKS

ROOT = Path(__file__).parents[1]
FOLDERS = {"fibcore": ROOT / "fibcore", "fib_plugins": ROOT / "plugins"}
REGISTERING = {
    "commands",
    "notebook",
    "progress",
    "report",
    *(hook.removeprefix("fib_register_") for hook in REGISTER_HOOKS.values()),
}
"""What of `fib_plugins` registers something; all other packages are shared."""

Imports = dict[str, set[str]]
"""Module -> modules of the same packages that it imports."""


def imports_in(folders: Mapping[str, Path]) -> Imports:
    """Return what the modules of packages, given the folder of each, import from them."""
    paths = {}
    for package, folder in folders.items():
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            paths[".".join((package, *parts)).removesuffix(".__init__")] = path
    return {name: _imports(name, path, set(paths)) for name, path in paths.items()}


def _imports(name: str, path: Path, modules: set[str]) -> set[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = resolve_name("." * node.level + (node.module or ""), package)
            inner = {f"{origin}.{alias.name}" for alias in node.names}
            found |= inner & modules if inner <= modules else {origin, *(inner & modules)}
    return found & modules - {name}


def circle_in(imports: Imports) -> list[str]:
    """Return modules of which each imports the one before it, the first again at the end."""
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def strangers(imports: Imports) -> list[str]:
    """Return what plugins and shared packages import that is not theirs to import."""

    def area(module: str) -> str:
        return (*module.split("."), "")[1]

    return [
        f"{module} imports {other}"
        for module, others in sorted(imports.items())
        for other in sorted(others)
        if module.startswith("fib_plugins.")
        and other.startswith("fib_plugins")
        and area(other) in {*REGISTERING, ""} - {area(module)}
    ]


@pytest.fixture(scope="module")
def imports() -> Imports:
    return imports_in(FOLDERS)


def test_no_modules_import_each_other_in_a_circle(imports: Imports) -> None:
    assert circle_in(imports) == []


def test_the_core_imports_no_plugin(imports: Imports) -> None:
    core = {name: others for name, others in imports.items() if name.startswith("fibcore")}
    assert len(core) > 50
    assert {o for others in core.values() for o in others if o.startswith("fib_plugins")} == set()


def test_a_plugin_imports_the_core_its_neighbours_and_shared_packages_only(
    imports: Imports,
) -> None:
    assert {name.split(".")[1] for name in imports if "." in name} > REGISTERING
    assert strangers(imports) == []


@pytest.mark.parametrize(
    "text",
    [
        "from fib_plugins.metrics.gap import Gap",
        "import fib_plugins.metrics.gap",
        "from ..metrics import gap",
        "def fit():\n    from fib_plugins.metrics import gap",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..metrics.gap import Gap",
    ],
)
@pytest.mark.parametrize("importer", ["adapters", "shared"])
def test_an_import_of_another_kind_is_found_however_it_is_written(
    tmp_path: Path, importer: str, text: str
) -> None:
    for name, content in ((f"{importer}/cut.py", text), ("metrics/gap.py", "Gap = 1")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(content)
    imports = imports_in({"fib_plugins": tmp_path})
    assert strangers(imports) == [
        f"fib_plugins.{importer}.cut imports fib_plugins.metrics.gap",
    ]


@pytest.mark.parametrize(
    "back",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .plugin import Plugin",
        "def train():\n    import fib_plugins.plugin",
        "from . import other",
    ],
)
def test_a_circle_is_found_however_it_is_closed(tmp_path: Path, back: str) -> None:
    (tmp_path / "__init__.py").write_text("")
    (tmp_path / "plugin.py").write_text("def fit():\n    from .training import train")
    (tmp_path / "other.py").write_text("from fib_plugins.plugin import Plugin")
    (tmp_path / "training.py").write_text(back)
    imports = imports_in({"fib_plugins": tmp_path})
    assert {"fib_plugins.plugin", "fib_plugins.training"} <= set(circle_in(imports))
    (tmp_path / "training.py").write_text("import fib_plugins")
    assert circle_in(imports_in({"fib_plugins": tmp_path})) == []
