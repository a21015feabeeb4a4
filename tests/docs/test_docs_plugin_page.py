"""The tutorial on plugins shows what ``fib init plugin`` writes, and how little that can be."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from fibcore.cli.extensions import command_line


@pytest.fixture
def shown(docs, blocks_in):
    """The files that the tutorial shows: name -> text."""
    page = blocks_in(docs / "tutorials" / "write-a-plugin.md")
    return {block.title: block.text for block in page if block.title}


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A function that returns the files that ``fib init plugin`` writes into a folder."""
    monkeypatch.chdir(tmp_path)

    def init(folder, *options):
        CliRunner().invoke(command_line(), ["init", "plugin", folder, *options])
        return {
            path.relative_to(tmp_path).as_posix(): path.read_text()
            for path in (tmp_path / folder).rglob("*")
            if path.is_file() and path.name != "README.md"
        }

    return init


def test_the_smallest_plugin_has_ten_lines_and_five_of_toml(shown, written):
    first, second = list(shown)[:2]
    assert {name: shown[name] for name in (first, second)} == written(
        "brighter", "--kind", "segmenter"
    )
    assert first.endswith(".toml")
    assert len(shown[first].splitlines()) <= 5
    assert second.endswith(".py")
    assert len(shown[second].splitlines()) <= 10, "blank lines counted"


def test_the_larger_package_is_what_fib_init_plugin_writes(shown, written):
    package = {name: text for name, text in shown.items() if name.startswith("example_plugins/")}
    assert package == written("example_plugins")
