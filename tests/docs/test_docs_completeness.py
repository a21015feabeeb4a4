"""What a reader looks for is there: hooks, kinds, plugins, public names, dependencies."""

from __future__ import annotations

import ast
import importlib.metadata
import inspect
import re
import sys
import tomllib

import pytest

import fibcore
from fibcore import hooks
from fibcore.kinds import KINDS
from fibcore.registry import registry


@pytest.fixture
def tutorial(docs):
    return (docs / "tutorials" / "write-a-plugin.md").read_text()


def test_every_hook_is_explained(docs, tutorial):
    names = [name for name, _ in inspect.getmembers(hooks, inspect.isfunction) if "fib_" in name]
    assert set(hooks.REGISTER_HOOKS.values()) < set(names)
    architecture = (docs / "explanation" / "architecture.md").read_text()
    for name in names:
        assert f"`{name}`" in tutorial, name
        assert f"`{name}`" in architecture, name


def test_every_kind_has_its_line_in_the_tutorial(tutorial):
    for kind, base in KINDS.items():
        (method,) = base.__abstractmethods__
        signature = f"`{method}("
        assert re.search(
            rf"^\| {kind} \| `{base.__name__}` \| `{hooks.REGISTER_HOOKS[kind]}` \| "
            rf"{re.escape(signature)}",
            tutorial,
            re.MULTILINE,
        )


def test_every_built_in_plugin_has_its_place_in_the_method(docs):
    text = (docs / "explanation" / "method.md").read_text()
    for entry in registry().entries():
        if entry.distribution == "fibtomo" and entry.identifier.split("/")[0] in KINDS:
            anchor = entry.identifier.replace("/", "-")
            assert f"[`{entry.identifier}`](../reference/plugins.md#{anchor})" in text


def test_every_public_name_is_in_the_api_reference(docs):
    text = (docs / "reference" / "api.md").read_text()
    for name in fibcore.__all__:
        module = f"fibcore.{fibcore._HOMES[name]}"
        wanted = f"fibcore.{name}" if name == "hookimpl" else f"::: {module}.{name}"
        assert wanted in text or f"::: {module}\n" in text, name


def required(project, extras=()):
    """Return the names of what a distribution requires, with those of some extras."""
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return {re.split(r"[^\w.-]", line)[0] for line in lines}


@pytest.fixture
def pyproject(root):
    return tomllib.loads((root / "pyproject.toml").read_text())


def test_every_dependency_is_explained_and_no_other(docs, pyproject):
    project = pyproject["project"]
    text = (docs / "explanation" / "dependencies.md").read_text()
    explained = set(re.findall(r"^\| `([\w.-]+)` \|", text, re.MULTILINE))
    builds = {re.split(r"[^\w.-]", line)[0] for line in pyproject["build-system"]["requires"]}
    assert explained == required(project, project["optional-dependencies"]) | builds


def test_what_the_code_imports_is_what_it_depends_on(root, pyproject):
    owners = importlib.metadata.packages_distributions()
    imported = set()
    for folder in ("fibcore", "plugins"):
        for path in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                    imported.add(node.module.split(".")[0])
    third_party = imported - set(sys.stdlib_module_names) - {"fibcore", "fib_plugins"}
    found = {name.lower() for module in third_party for name in set(owners[module])}
    wanted = required(pyproject["project"], ["notebook", "cluster"])
    assert found == {name.lower() for name in wanted}
