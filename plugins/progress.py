"""Progress of a run, shown on a terminal."""

from __future__ import annotations

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
from fibcore.cli import console, plain
from fibcore.events import (
    SERIOUS,
    RunEvent,
    RunFinished,
    StepFailed,
    StepFinished,
    StepLogged,
    StepProgress,
    StepStarted,
)
from fibcore.text import shown

LONGEST_WORK = 100
"""Number of characters shown of what a step is doing."""


def displays() -> list[ProgressDisplay]:
    """Return a progress display if standard output is a terminal; else nothing."""
    terminal = console()
    return [ProgressDisplay(terminal)] if terminal.is_terminal else []


class ProgressDisplay:
    """One line for each finished step, and a progress bar for each that is in progress."""

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
        self.tasks: dict[str, TaskID] = {}

    @hookimpl
    def fib_run_event(self, event: RunEvent) -> None:
        """Show an event."""
        if isinstance(event, StepStarted):
            label = plain(f"{event.index:>2} {event.step} ", "bold") + plain(event.plugin, "dim")
            if event.resumed:
                label += Text(" (resumed)", "yellow")
            self.tasks[event.step] = self.progress.add_task(
                "", total=None, label=label, work=Text()
            )
            self.progress.start()
        elif isinstance(event, StepProgress) and event.step in self.tasks:
            work = Text(shown(event.what, LONGEST_WORK), "dim")
            self.progress.update(
                self.tasks[event.step], completed=event.done, total=event.total, work=work
            )
        elif isinstance(event, StepLogged) and event.level not in SERIOUS:
            self.console.print(plain(f"   {event.step}: {event.message}", "dim"))
        elif isinstance(event, StepFinished):
            self._clear(event.step)
            how = Text("reused", "dim") if event.reused else Text(f"{event.seconds:.1f} s")
            name = plain(f" {event.index:>2} ") + plain(event.step, "bold")
            plugin = plain(f" {event.plugin} ", "dim")
            self.console.print(Text("✓", "green") + name + plugin + how)
        elif isinstance(event, StepFailed):
            self._clear(event.step)
            name = plain(f" {event.index:>2} ") + plain(event.step, "bold")
            self.console.print(Text("✗", "red") + name)
        elif isinstance(event, RunFinished):
            for step in list(self.tasks):
                self._clear(step)
            self.console.print(plain(f"{event.status} in {event.seconds:.1f} s", "dim"))

    def _clear(self, step: str) -> None:
        task = self.tasks.pop(step, None)
        if task is not None:
            self.progress.remove_task(task)
            if not self.tasks:
                self.progress.stop()


class _Label(ProgressColumn):
    """A named field of a task, shown as plain text without markup."""

    def __init__(self, name: str) -> None:
        self._name = name
        super().__init__()

    def render(self, task: Task) -> Text:
        """Return the text."""
        return task.fields[self._name]
