"""Packages that do to the process what they please."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

MODULE = """
import os, sys
from collections.abc import Callable
from pydantic import Field
from typing import ClassVar
from fibcore import Context, Labels, Metric, Table, hookimpl

{top}

class Unruly(Metric):
    '''Does what the test says.'''

    name: ClassVar[str] = "unruly"
    {field}

    def measure(self, prediction: Labels, *, context: Context | None = None) -> Table:
        '''Do it.'''
        {body}
        return Table({{"a": [1.0]}})

@hookimpl
def fib_register_metrics(register):
    register(Unruly)
"""


@pytest.fixture
def unruly(shell, otsu):
    """Return a function that installs a package which does something."""
    measured = {"id": "it", "run": "metric/unruly", "inputs": {"prediction": "gold"}}
    shell.write("p.json", {**otsu, "steps": [otsu["steps"][0], measured]})
    information = shell.folder / "site" / "unruly-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: unruly\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text("[fib.plugins]\nunruly = unruly_module\n")
    shell.environment["PYTHONPATH"] = str(shell.folder / "site")
    shell.environment["PYTHONDONTWRITEBYTECODE"] = "1"

    def install(body="pass", top="", field="number: int = 1"):
        text = MODULE.format(body=body, top=top, field=field)
        (shell.folder / "site" / "unruly_module.py").write_text(text)
        return shell

    return install


def status(shell):
    (record,) = shell.folder.glob("runs/*/*/provenance.json")
    return json.loads(record.read_text())["status"]


def test_leaving_at_once_is_a_failed_step(unruly):
    shell = unruly("os._exit(0)")
    assert "(metric/unruly) failed: SystemExit: 0" in shell("run", "p.json", code=1).err
    assert status(shell) == "failed"
    shell = unruly(top="os._exit(0)")
    assert "import failed: SystemExit: 0" in shell("run", "p.json", code=2).err
    assert "import failed" in shell("plugins", "list").out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_a_process_that_a_step_forks_does_not_go_on_with_the_run(unruly):
    shell = unruly("child = os.fork()\n        if child: os.waitpid(child, 0)")
    done = shell("run", "p.json")
    assert done.out.count("report ") == 1
    assert status(shell) == "finished"


@pytest.mark.parametrize("body", ["sys.stdout.close()", "sys.stdout = None", "os.close(1)"])
def test_standard_output_that_a_step_has_closed_is_one_message(unruly, body):
    shell = unruly(body)
    done = shell("run", "p.json", code=1)
    assert done.err.splitlines()[-1].startswith("error: cannot write to standard output")
    assert status(shell) == "finished"


def test_a_package_that_goes_elsewhere_takes_no_results_along(unruly):
    shell = unruly("os.chdir('/')", top="os.chdir('/')")
    shell("run", "p.json")
    assert status(shell) == "finished"


def test_parameters_that_no_schema_describes_are_shown_all_the_same(unruly):
    shell = unruly(field="function: Callable[[int], int] = abs")
    json.loads(shell("schema").out)
    json.loads(shell("plugins", "show", "metric/unruly", "--json").out)
    done = shell("plugins", "show", "metric/unruly")
    assert "function" in done.out
    assert done.err == ""


def test_parameters_that_end_the_program_do_not_end_it_well(unruly):
    shell = unruly(field="number: int = Field(default_factory=lambda: sys.exit(0))")
    shell("plugins", "list")
    assert "SystemExit" in shell("plugins", "check", code=1).err
    assert "SystemExit" in shell("run", "p.json", code=2).err


def test_help_that_nobody_reads_is_no_failure(shell):
    code = '"$0" --help | true; exit ${PIPESTATUS[0]}'
    done = subprocess.run(["bash", "-c", code, *shell.fib], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_folder_that_is_gone_is_one_message(shell, otsu):
    shell.write("p.json", otsu)
    (shell.folder / "gone").mkdir()
    code = 'cd gone && rmdir ../gone && exec "$0" check ../p.json'
    done = subprocess.run(
        ["sh", "-c", code, *shell.fib], cwd=shell.folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "change to another one" in done.stderr
