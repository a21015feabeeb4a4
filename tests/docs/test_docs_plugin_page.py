from __future__ import annotations

from typer.testing import CliRunner

from fibcore.cli.extensions import command_line


def test_the_tutorial_shows_what_fib_init_plugin_writes(docs, blocks_in, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(command_line(), ["init", "plugin", "example_plugins"])
    written = {
        path.relative_to(tmp_path).as_posix(): path.read_text()
        for path in (tmp_path / "example_plugins").rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    page = blocks_in(docs / "tutorials" / "write-a-plugin.md")
    shown = {block.title: block.text for block in page if block.title}
    assert shown == written
