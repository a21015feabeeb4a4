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


WRONG = {
    "Acquisition().nonsense()\n": '"Acquisition" has no attribute "nonsense"',
    "Acquisition(no_such=3)\n": 'Unexpected keyword argument "no_such" for "Acquisition"',
    "Acquisition().transform(3)\n": 'Argument 1 to "transform" of "Acquisition" has',
}
RIGHT = "gamma: float = Acquisition(gamma=1.2).gamma\n"
PACKAGES = ("fibcore", "fib_plugins", "fibcore.cli")


def importing(package: str) -> str:
    """Return code that imports a name which no package has."""
    return f"from {package} import NoSuch\n"


@pytest.fixture(scope="module")
def errors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The errors that mypy finds in files outside the project, with its settings: by their code."""
    codes = [*(PLUGIN + code for code in (*WRONG, RIGHT)), *map(importing, PACKAGES)]
    folder = tmp_path_factory.mktemp("types")
    files = {code: folder / f"scratch_{number}.py" for number, code in enumerate(codes)}
    for code, file in files.items():
        file.write_text(code)
    command = [sys.executable, "-m", "mypy", *files.values()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    lines = [line for line in done.stdout.splitlines() if ": error: " in line]
    return {code: [line for line in lines if file.name in line] for code, file in files.items()}


@pytest.mark.parametrize(("code", "error"), WRONG.items())
def test_a_wrong_use_of_a_plugin_is_an_error(errors, code, error):
    (found,) = errors[PLUGIN + code]
    assert f".py:2: error: {error}" in found


@pytest.mark.parametrize("package", PACKAGES)
def test_a_name_that_a_package_does_not_have_is_an_error(errors, package):
    (found,) = errors[importing(package)]
    assert f'Module "{package}" has no attribute "NoSuch"' in found


@pytest.mark.parametrize("package", [fibcore, fib_plugins], ids=lambda package: package.__name__)
def test_strict_type_checkers_see_the_public_names(package):
    """They take an import for public where it has the form ``import Name as Name``."""
    nodes = ast.walk(ast.parse(inspect.getsource(package)))
    aliases = [a for node in nodes if isinstance(node, ast.ImportFrom) for a in node.names]
    assert set(package.__all__) <= {alias.name for alias in aliases if alias.asname == alias.name}


def test_a_right_use_of_a_plugin_is_no_error(errors):
    assert not errors[PLUGIN + RIGHT]
