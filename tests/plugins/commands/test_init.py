"""``fib init plugin --kind``: the smallest plugin of each kind keeps its contract and works."""

from __future__ import annotations

import inspect
import runpy
import shlex
import tomllib

import numpy as np
import pytest
from typer.testing import CliRunner

from fib_plugins.testing import check_plugin, example_inputs
from fibcore import Material
from fibcore.cli.extensions import command_line
from fibcore.elements import element
from fibcore.kinds import KINDS
from fibcore.plugin import Plugin


def init(*arguments, template="plugin"):
    return CliRunner().invoke(command_line(), ["init", template, *map(str, arguments)])


@pytest.fixture
def made(tmp_path):
    """A function that writes the smallest plugin of a kind; returns its entry point and class."""

    def make(kind):
        folder = tmp_path / f"My-{kind} 2"
        assert init(folder, "--kind", kind).exit_code == 0
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        ((name, reference),) = project["entry-points"]["fib.plugins"].items()
        module, _, attribute = reference.partition(":")
        return name, runpy.run_path(str(folder / "src" / f"{module}.py"))[attribute]

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_smallest_plugin_of_a_kind_keeps_its_contract(made, kind):
    name, plugin = made(kind)
    assert name == plugin.identifier() == f"{kind}/my_{kind}_2"
    assert plugin.__name__ == f"My{kind.title()}2"
    assert check_plugin(plugin) == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "reader"])
def test_the_smallest_plugin_of_a_kind_works(made, kind):
    plugin: Plugin = made(kind)[1]()
    if kind == "physics":
        gold = Material.of_element(element("Au"))
        eta = plugin.coefficient(gold, [[1.0], [2.0]], np.zeros(3))
        assert eta.shape == (2, 3)
        assert (eta > 0).all()
        assert (eta < 1).all()
        return
    method = getattr(plugin, plugin.main_method)
    given = example_inputs()
    wanted = inspect.signature(method).parameters.keys() & given.keys()
    result = method(**{name: given[name] for name in wanted})
    if kind == "metric":
        assert result.names == ["porosity"]
    else:
        assert result.voxel_size_nm == (5.0, 5.0, 5.0)
        assert len(np.unique(result)) > 1


def test_an_unknown_kind_lists_the_kinds(tmp_path):
    done = init(tmp_path / "x", "--kind", "segmentr")
    assert done.exit_code == 2
    assert "source, segmenter, metric, reader. Did you mean 'segmenter'?" in done.stderr
    assert not (tmp_path / "x").exists()
    done = init(tmp_path, "--kind", "segmenter", template="quickstart")
    assert done.exit_code == 2
    assert "--kind is an option of the template plugin" in done.stderr


def test_files_are_not_overwritten_unless_forced(tmp_path):
    (tmp_path / "x" / "src").mkdir(parents=True)
    (tmp_path / "x" / "src" / "x.py").write_text("mine")
    done = init(tmp_path / "x", "--kind", "segmenter")
    assert done.exit_code == 2
    assert "--force" in done.stderr
    assert not (tmp_path / "x" / "pyproject.toml").exists()
    assert (tmp_path / "x" / "src" / "x.py").read_text() == "mine"
    assert init(tmp_path / "x", "--kind", "segmenter", "--force").exit_code == 0
    assert "class X(Segmenter)" in (tmp_path / "x" / "src" / "x.py").read_text()


@pytest.mark.parametrize("name", ["class", "json", "1abc", "--"])
def test_a_folder_whose_name_is_taken_in_python_makes_a_package_of_another(tmp_path, name):
    done = init(tmp_path / name)
    assert done.exit_code == 0
    assert list((tmp_path / name).glob("example_plugins*/plugins.py"))


def test_the_command_that_comes_next_can_be_copied(tmp_path):
    done = init(tmp_path / "my plugin $1")
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("next: ")]
    command = line.removeprefix("next: ").partition(", then")[0]
    assert shlex.split(command)[-1] == str(tmp_path / "my plugin $1")
