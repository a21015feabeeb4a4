"""What a run tells where no terminal shows it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fib_plugins.commands.warning_lines import WarningLines
from fibcore.events import (
    RunFinished,
    RunWarned,
    StepFinished,
    StepLogged,
)

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


def messages(lines):
    return [line for line in lines.console.file.getvalue().splitlines() if line]


def warned(text, step="gan"):
    return StepLogged(
        run="runs/one", time=0.0, step=step, index=1, plugin="a/b", level="WARNING", message=text
    )


def test_critical_is_no_less_serious_than_warning(lines):
    lines.fib_run_event(logged("CRITICAL"))
    assert messages(lines) == ["warning: gan: labels [are] lost"]


def test_the_same_of_another_step_is_not_printed_again(lines):
    lines.warn("eta at 2 keV is doubtful", "one")
    lines.fib_run_event(warned("eta at 2 keV is doubtful", "two"))
    lines.fib_run_event(warned("something else", "two"))
    lines.fib_run_event(RunFinished(run="runs/one", status="finished", seconds=1.0))
    assert messages(lines) == [
        "warning: one: eta at 2 keV is doubtful", "warning: two: something else"
    ]  # fmt: skip


def test_what_differs_in_numbers_alone_is_counted(lines):
    for energies in ("1", "2.5", "1, 2", "1e-3", "1, 2"):
        lines.fib_run_event(warned(f"eta at {energies} keV is doubtful"))
    lines.fib_run_event(warned("eta at low energies is doubtful"))
    lines.fib_run_event(RunFinished(run="runs/one", status="finished", seconds=1.0))
    assert messages(lines) == [
        "warning: gan: eta at 1 keV is doubtful",
        "warning: gan: eta at low energies is doubtful",
        "warning: 3 more warnings like those above, with other numbers: see the report",
    ]


def test_warnings_of_the_check_are_all_printed(lines):
    lines.warn("slice 3 is blank", "one")
    lines.warn("slice 4 is blank", "two")
    assert len(messages(lines)) == 2


def test_what_the_run_as_a_whole_is_warned_of_is_printed(lines):
    lines.fib_run_event(RunWarned(run="runs/one", message="gold: damaged [b]\x1b[31m"))
    assert messages(lines) == [r"warning: gold: damaged [b]\x1b[31m"]
