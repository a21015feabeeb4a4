"""The documentation read as a reader reads it: files written, commands run, code executed.

Fenced blocks by language:

- with ``title="name"``: a file of that name, written into the page's folder. A pipeline among them
  is checked.
- ``python``: executed; the blocks of a page share their names.
- ``json``: one step or several, which go on from the pipeline that was last shown or written by
  ``fib init``; checked.
- ``console``: lines that begin with ``$`` are run; the lines below must appear in the output, in
  this order, where ``...`` stands for anything. Where they show an error, the command must fail; a
  warning that they do not show is an error.
- ``text``: for reading only.

A comment ``<!-- test: ... -->`` before a block says ``wrong on purpose`` of a pipeline that must
not pass its check, or gives arguments that make ``fib run`` quicker; ``-- last column`` says that
the last column of the shown table comes out different then.
"""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fibcore
from fibcore.cli.extensions import command_line
from fibcore.errors import PipelineError
from fibcore.pipeline import check_pipeline

ROOT = Path(__file__).parents[2]


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Someone who follows a page in a folder that holds a stack of slices."""
    monkeypatch.setenv("COLUMNS", "240")
    monkeypatch.setenv("NO_COLOR", "1")
    write_stack(tmp_path)
    return Reader(tmp_path)


def test_what_a_page_shows_works(page, blocks_in, reader):
    for block in blocks_in(page):
        try:
            reader.read(block)
        except BaseException as error:
            error.add_note(f"{page}, block at line {block.line}")
            raise


@pytest.mark.parametrize(
    "wrong",
    [
        "```console\n$ fib --version\nfib 99\n```",
        "```console\n$ fib check nothing.json\n```",
        "```console\n$ fib --version\nerror: ...\n```",
        "```console\n$ make nonsense\n```",
        "```console\n$ pip install something-else\n```",
        "```python\nassert False\n```",
        '```json\n{"id": "gold", "run": "generator/nothing"}\n```',
        "```\nwhat is this?\n```",
    ],
)
def test_what_does_not_work_is_noticed(wrong, blocks_in, reader, tmp_path):
    (tmp_path / "page.md").write_text(wrong)
    (block,) = blocks_in(tmp_path / "page.md")
    with pytest.raises((AssertionError, PipelineError)):
        reader.read(block)


@dataclass
class Reader:
    """Someone who follows a page in a folder of their own."""

    folder: Path
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    steps: list[dict[str, Any]] = field(default_factory=list)
    code: int = 0
    site: Path | None = None

    def read(self, block: Any) -> None:
        """Do what a block says."""
        if block.title:
            path = self.folder / block.title
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
            if block.language == "json" and "steps" in (document := json.loads(block.text)):
                self._check_file(document, path, block.note)
        elif block.language == "python":
            with chdir(self.folder):
                exec(compile(block.text, "block", "exec"), self.namespace)
        elif block.language == "json":
            self._check_steps(json.loads(block.text))
        elif block.language == "console":
            for command, shown in _commands(block.text):
                self._run(command, shown, block.note)
        else:
            assert block.language == "text", f"``` {block.language}: what is it?"

    def _check_file(self, document: dict[str, Any], path: Path, note: str) -> None:
        """Check a pipeline, unless it needs a package that the reader has yet to install."""
        if note == "wrong on purpose":
            with pytest.raises(PipelineError):
                check_pipeline(document, base=path.parent)
        elif not (path.parent / "pyproject.toml").exists():
            check_pipeline(document, base=path.parent)
            self.steps = document["steps"]

    def _check_steps(self, given: dict[str, Any] | list[dict[str, Any]]) -> None:
        """Check steps that go on from those before; one of a known id takes its place."""
        by_id = {step["id"]: step for step in self.steps}
        by_id |= {step["id"]: step for step in (given if isinstance(given, list) else [given])}
        self.steps = list(by_id.values())
        document = {"version": 1, "name": "page", "steps": self.steps}
        check_pipeline(document, base=self.folder)

    def _run(self, command: str, shown: list[str], note: str) -> None:
        program, *arguments = shlex.split(command, comments=True)
        quicker, _, different = note.partition(" -- ")
        if program == "fib":
            if arguments[0] == "run":
                arguments += shlex.split(quicker)
            if self.site is None:
                self.code, output = self._in_process(arguments)
            else:
                self.code, output = self._in_subprocess("fib", arguments)
            if arguments[0] == "init" and (files := list(self.folder.glob("*.json"))):
                self.steps = json.loads(files[0].read_text())["steps"]
        elif program == "pytest" and (self.folder / arguments[-1]).exists():
            self.code, output = self._in_subprocess(
                "pytest", [*arguments, "-p", "no:cacheprovider"]
            )
        elif program == "echo":
            assert arguments == ["$?"]
            output = str(self.code)
            self.code = 0
        elif program == "pip":
            output = self._pip(arguments)
        elif program == "make":
            targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
            assert set(arguments) <= set(targets), f"make {arguments}: no such target"
            return
        elif program in ("cd", "git", "mkdocs", "pre-commit"):
            return  # around the project, not of it
        else:
            assert program in ("python", "pytest"), f"{program}: what is it?"
            assert (ROOT / arguments[-1]).exists(), f"{command}: no such file"
            return
        fails = any(line.startswith("error: ") for line in shown)
        assert bool(self.code) == fails, f"$ {command}\n{output}"
        assert "warning: " not in output or "warning: " in " ".join(shown), f"$ {command}\n{output}"
        _compare(command, shown, output, without_last=different == "last column")

    def _in_process(self, arguments: list[str]) -> tuple[int, str]:
        """Run ``fib`` without a process of its own; return its exit code and output."""
        text = io.StringIO()
        argv, sys.argv = sys.argv, ["fib", *arguments]
        try:
            with chdir(self.folder), redirect_stdout(text), redirect_stderr(text):
                command_line()(arguments, prog_name="fib")
        except SystemExit as done:
            return int(done.code or 0), text.getvalue()
        finally:
            sys.argv = argv
        return 0, text.getvalue()

    def _in_subprocess(self, program: str, arguments: list[str]) -> tuple[int, str]:
        done = subprocess.run(
            [str(Path(sys.executable).with_name(program)), *arguments],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(self.site)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def _pip(self, arguments: list[str]) -> str:
        """Install a package that the page has written; anything else is only looked at.

        That fib itself can be installed in these ways is tested in `tests/e2e/test_install.py`.
        """
        assert arguments[0] == "install"
        target = arguments[-1]
        if target == f"dist/fibtomo-{fibcore.__version__}-py3-none-any.whl":
            return ""
        if target == "." or not (self.folder / target).is_dir():
            project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            extras = project["optional-dependencies"]
            name, _, extra = target.rstrip("]'\"").partition("[")
            assert name in (project["name"], "."), f"pip install {target}: what is it?"
            assert set(filter(None, extra.split(","))) <= set(extras)
            return ""
        self.site = self.folder / ".site"
        options = ["--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
        where = ["--upgrade", "--target", str(self.site), str(self.folder / target)]
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "--quiet", *options, *where],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return ""


def _commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each command of a console block with the output shown below it."""
    command, shown = "", []
    for line in text.splitlines():
        if line.startswith("$ "):
            if command:
                yield command, shown
            command, shown = line[2:], []
        elif command.endswith("\\"):
            command = command[:-1] + line.strip()
        else:
            shown.append(line)
    assert command, f"a console block without a command:\n{text}"
    yield command, shown


def _compare(command: str, shown: list[str], output: str, without_last: bool = False) -> None:
    """See that each line shown is in the output, in this order; ``...`` stands for anything."""

    def words(line: str) -> str:
        return " ".join(line.split()[: -1 if without_last else None])

    actual = iter([words(line) for line in output.splitlines()])
    for line in shown:
        wanted = words(line)
        if wanted in ("", "..."):
            continue
        pattern = ".*".join(re.escape(part.strip()) for part in wanted.split("..."))
        assert any(re.fullmatch(pattern, candidate) for candidate in actual), (
            f"$ {command}\nshown, but not (or not here) in the output: {wanted!r}\n{output}"
        )


def write_stack(folder: Path) -> None:
    """Write what pages call their reader's data: ``my_stack/``, slices of 16 bits without tags."""
    import tifffile

    z, y, x = np.indices((40, 100, 120))
    solid = np.sin(x / 7) + np.sin(y / 7) + np.sin(z / 7) > 0.4
    noise = np.random.default_rng(0).normal(0, 1500, solid.shape)
    grey = np.clip(18000 + 16000 * solid + noise, 0, 65535).astype(np.uint16)
    grey[:, 90:] = 0  # a data bar
    (folder / "my_stack").mkdir()
    for number, plane in enumerate(grey):
        tifffile.imwrite(folder / "my_stack" / f"slice_{number:04d}.tif", plane)
