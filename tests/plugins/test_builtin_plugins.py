"""``from fib_plugins import UNet``: every built-in plugin, imported at first use."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys

import pytest

import fib_plugins
from fibcore.kinds import KINDS
from fibcore.registry import registry


def test_every_built_in_plugin_is_imported_from_the_package():
    registered = {
        entry.item.__name__: entry.item
        for kind in KINDS
        for entry in registry().entries(kind)
        if entry.distribution == "fibtomo"
    }
    assert set(fib_plugins.__all__) == set(registered) < set(dir(fib_plugins))
    for name, plugin in registered.items():
        assert getattr(fib_plugins, name) is plugin


def test_type_checkers_see_the_same_classes():
    tree = ast.parse(inspect.getsource(fib_plugins))
    typed, *_ = (node for node in tree.body if isinstance(node, ast.If))
    found = {
        alias.name: f"{node.module}"
        for node in typed.body
        if isinstance(node, ast.ImportFrom) and f"{node.module}".startswith("fib_plugins")
        for alias in node.names
    }
    assert found == {name: f"fib_plugins.{home}" for name, home in fib_plugins._HOMES.items()}


def test_importing_the_package_imports_no_plugin():
    code = (
        "import sys, fib_plugins\n"
        "print([m for m in sys.modules if m.startswith(('fib_plugins.', 'pydantic', 'numpy'))])\n"
        "from fib_plugins import Threshold\n"
        "print([m for m in sys.modules if m.startswith('fib_plugins.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = done.stdout.splitlines()
    assert before == "['fib_plugins.numba_settings']"  # set before anything can load Numba
    assert "fib_plugins.segmenters.threshold" in after
    assert "fib_plugins.segmenters.kmeans" not in after


def test_another_name_is_an_error():
    with pytest.raises(ImportError, match="NoSuchPlugin"):
        from fib_plugins import NoSuchPlugin  # noqa: F401
