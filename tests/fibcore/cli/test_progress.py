"""What a run tells where no terminal shows it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fibcore.cli.progress import WarningLines
from fibcore.events import StepFinished, StepLogged

STEP = {"step": "gan", "index": 3, "plugin": "adapter/cyclegan"}


@pytest.fixture
def lines():
    return WarningLines(Console(file=io.StringIO(), width=60))


def logged(level):
    return StepLogged(run="runs/one", time=0.0, **STEP, level=level, message="labels [are] lost")


@pytest.mark.parametrize("level", ["WARNING", "ERROR"])
def test_warnings_of_steps_are_printed_as_they_are(lines, level):
    lines.fib_run_event(logged(level))
    assert lines.console.file.getvalue() == "warning: gan: labels [are] lost\n"


def test_nothing_else_is(lines):
    lines.fib_run_event(logged("INFO"))
    finished = StepFinished(
        run="runs/one", time=1.0, **STEP, seconds=1.0, reused=False, folder="runs/one/03-gan"
    )
    lines.fib_run_event(finished)
    assert lines.console.file.getvalue() == ""
