"""The type checker, as `make lint` runs it, knows plugins by the name they are imported by."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import fib_plugins
import fibcore

ROOT = Path(__file__).parents[1]
PLUGIN = "from fib_plugins import Acquisition\n"


def errors_in(code: str, folder: Path) -> list[str]:
    """Return the errors that mypy finds in a file outside the project, with its settings."""
    file = folder / "scratch.py"
    file.write_text(code)
    command = [sys.executable, "-m", "mypy", file]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    return [line for line in done.stdout.splitlines() if ": error: " in line]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("Acquisition().nonsense()\n", '"Acquisition" has no attribute "nonsense"'),
        ("Acquisition(no_such=3)\n", 'Unexpected keyword argument "no_such" for "Acquisition"'),
        ("Acquisition().transform(3)\n", 'Argument 1 to "transform" of "Acquisition" has'),
    ],
)
def test_a_wrong_use_of_a_plugin_is_an_error(tmp_path, code, error):
    (found,) = errors_in(PLUGIN + code, tmp_path)
    assert f"scratch.py:2: error: {error}" in found


@pytest.mark.parametrize("package", ["fibcore", "fib_plugins", "fibcore.cli"])
def test_a_name_that_a_package_does_not_have_is_an_error(tmp_path, package):
    (found,) = errors_in(f"from {package} import NoSuch\n", tmp_path)
    assert f'Module "{package}" has no attribute "NoSuch"' in found


@pytest.mark.parametrize("package", [fibcore, fib_plugins], ids=lambda package: package.__name__)
def test_strict_type_checkers_see_the_public_names(package):
    """They take an import for public where it has the form ``import Name as Name``."""
    nodes = ast.walk(ast.parse(inspect.getsource(package)))
    aliases = [a for node in nodes if isinstance(node, ast.ImportFrom) for a in node.names]
    assert set(package.__all__) <= {alias.name for alias in aliases if alias.asname == alias.name}


def test_a_right_use_of_a_plugin_is_no_error(tmp_path):
    assert not errors_in(PLUGIN + "gamma: float = Acquisition(gamma=1.2).gamma\n", tmp_path)
