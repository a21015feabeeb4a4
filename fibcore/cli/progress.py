"""What ``fib run`` tells while it runs: on a terminal, or into a file or pipe."""

from __future__ import annotations

import re

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TaskProgressColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from fibcore import hookimpl
from fibcore.cli.terminal import plain, print_warning
from fibcore.events import (
    RunEvent,
    RunFinished,
    RunWarned,
    StepFailed,
    StepFinished,
    StepLogged,
    StepProgress,
    StepStarted,
)
from fibcore.text import shown

SERIOUS = ("WARNING", "ERROR", "CRITICAL")
"""Levels of what a step logs that no user may miss."""
_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_NUMBERS = re.compile(rf"{_NUMBER}(?:, {_NUMBER})*(?:, \.\.\.)?")
LONGEST_WORK = 100
"""Characters that are shown of what a step is at."""


class WarningLines:
    """What is warned of in a run, the same only once, whichever steps it is about.

    Of warnings of steps that differ in numbers alone (energies, slices) the first one is printed,
    and at the end how many more there were.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._told: set[str] = set()
        self._kinds: set[str] = set()
        self._more = 0

    def warn(self, text: str, step: str = "") -> None:
        """Print a warning, about a step perhaps, that was not printed before."""
        if text not in self._told:
            self._told.add(text)
            self._kinds.add(_NUMBERS.sub("#", text))
            print_warning(self.console, f"{step}: {text}" if step else text)

    @hookimpl
    def fib_run_event(self, event: RunEvent) -> None:
        """Print an event if it is a warning."""
        if isinstance(event, StepLogged) and event.level in SERIOUS:
            self._warn_of_step(event.message, event.step)
        elif isinstance(event, RunWarned):
            self.warn(event.message)
        elif isinstance(event, RunFinished) and self._more:
            words = "one more warning" if self._more == 1 else f"{self._more} more warnings"
            print_warning(
                self.console, f"{words} like those above, with other numbers: see the report"
            )

    def _warn_of_step(self, text: str, step: str) -> None:
        if text not in self._told and _NUMBERS.sub("#", text) in self._kinds:
            self._told.add(text)
            self._more += 1
        else:
            self.warn(text, step)


class ProgressDisplay:
    """One line for each finished step, a bar for the present one; for a terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            _Label("label"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            _Label("work"),
            console=console,
            transient=True,
        )
        self.task: TaskID | None = None

    @hookimpl
    def fib_run_event(self, event: RunEvent) -> None:
        """Show an event."""
        if isinstance(event, StepStarted):
            label = plain(f"{event.index:>2} {event.step} ", "bold") + plain(event.plugin, "dim")
            if event.resumed:
                label += Text(" (goes on)", "yellow")
            self.task = self.progress.add_task("", total=None, label=label, work=Text())
            self.progress.start()
        elif isinstance(event, StepProgress) and self.task is not None:
            work = Text(shown(event.what, LONGEST_WORK), "dim")
            self.progress.update(self.task, completed=event.done, total=event.total, work=work)
        elif isinstance(event, StepLogged) and event.level not in SERIOUS:
            self.console.print(plain(f"   {event.step}: {event.message}", "dim"))
        elif isinstance(event, StepFinished):
            self._clear()
            how = Text("reused", "dim") if event.reused else Text(f"{event.seconds:.1f} s")
            name = plain(f" {event.index:>2} ") + plain(event.step, "bold")
            plugin = plain(f" {event.plugin} ", "dim")
            self.console.print(Text("✓", "green") + name + plugin + how)
        elif isinstance(event, StepFailed):
            self._clear()
            name = plain(f" {event.index:>2} ") + plain(event.step, "bold")
            self.console.print(Text("✗", "red") + name)
        elif isinstance(event, RunFinished):
            self._clear()
            self.console.print(plain(f"{event.status} in {event.seconds:.1f} s", "dim"))

    def _clear(self) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.progress.stop()
            self.task = None


class _Label(ProgressColumn):
    """Text that a task carries under a name; no markup is read in it."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def render(self, task: Task) -> Text:
        """Return the text."""
        return task.fields[self._name]
