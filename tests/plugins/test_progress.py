"""The progress of a run on a terminal."""

from __future__ import annotations

import io
import re
import sys

import pytest
from rich.console import Console

from fib_plugins.commands.warning_lines import WarningLines
from fib_plugins.progress import ProgressDisplay, displays
from fibcore.cli import console
from fibcore.events import (
    RunFinished,
    StepFailed,
    StepFinished,
    StepLogged,
    StepProgress,
    StepStarted,
)


def test_the_display_on_a_terminal_shows_names_as_they_are():
    terminal = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    display = ProgressDisplay(terminal)
    step = {"run": "runs/one", "step": "gan", "index": 3, "plugin": "adapter/[/b]\x1b[2J"}
    display.fib_run_event(StepStarted(**step, resumed=True))
    display.fib_run_event(StepProgress(**step, what="[/red] epoch \x07", done=1, total=2))
    display.fib_run_event(StepLogged(**step, level="INFO", message="[/] \x1b[2J"))
    display.fib_run_event(StepFinished(**step, seconds=1.0, reused=False, folder="03-gan"))
    display.fib_run_event(StepFailed(**step, message="x", traceback=""))
    display.fib_run_event(RunFinished(run="runs/one", status="failed", seconds=1.0))
    shown = terminal.file.getvalue()
    assert r"adapter/[/b]\x1b[2J" in shown
    assert r"gan: [/] \x1b[2J" in shown
    assert "\x1b[2J" not in shown.replace(r"\x1b[2J", "")
    assert "\x07" not in shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def new_console():
    """The console as it is at the start of a program."""
    console.cache_clear()
    yield
    console.cache_clear()


@pytest.mark.usefixtures("new_console")
def test_a_warning_takes_the_place_of_the_bar_which_is_drawn_below_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    (display,) = displays()
    display.fib_run_event(
        StepStarted(run="runs/one", step="gan", index=3, plugin="adapter/cut", resumed=False)
    )
    WarningLines(console()).warn("labels [are] lost", "gan")
    display.fib_run_event(RunFinished(run="runs/one", status="finished", seconds=1.0))
    shown = re.sub(r"\x1b\[[\d;]*m", "", terminal.getvalue())  # without colours
    erased, line = "\r\x1b[2K", "warning: gan: labels [are] lost\n"
    assert erased + line in shown
    assert " 3 gan adapter/cut" in shown.partition(line)[2]


def test_elsewhere_nothing_is_displayed(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert displays() == []
