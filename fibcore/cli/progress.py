"""What ``fib run`` tells while it runs: on a terminal, or into a file or pipe."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from fibcore import hookimpl
from fibcore.events import (
    RunEvent,
    RunFinished,
    StepFailed,
    StepFinished,
    StepLogged,
    StepProgress,
    StepStarted,
)

SERIOUS = ("WARNING", "ERROR")
"""Levels of what a step logs that no user may miss."""


def print_warning(console: Console, text: str) -> None:
    """Print a warning in the one way that all of them look."""
    console.print(Text("warning: ", style="yellow") + Text(text))


class WarningLines:
    """Nothing but warnings of the steps: for a run that no terminal shows."""

    def __init__(self, console: Console) -> None:
        self.console = console

    @hookimpl
    def fib_run_event(self, event: RunEvent) -> None:
        """Print an event if it is a warning."""
        if isinstance(event, StepLogged) and event.level in SERIOUS:
            print_warning(self.console, f"{event.step}: {event.message}")


class ProgressDisplay:
    """One line for each finished step, a bar for the present one."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(
            TextColumn("{task.fields[label]}"),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            TextColumn("[dim]{task.description}"),
            console=console,
            transient=True,
        )
        self.task: TaskID | None = None

    @hookimpl
    def fib_run_event(self, event: RunEvent) -> None:
        """Show an event."""
        if isinstance(event, StepStarted):
            label = f"[bold]{event.index:>2} {event.step}[/] [dim]{event.plugin}[/]"
            if event.resumed:
                label += " [yellow](goes on)[/]"
            self.task = self.progress.add_task("", total=None, label=label)
            self.progress.start()
        elif isinstance(event, StepProgress) and self.task is not None:
            self.progress.update(
                self.task, completed=event.done, total=event.total, description=event.what
            )
        elif isinstance(event, StepLogged):
            style = "yellow" if event.level in SERIOUS else "dim"
            self.console.print(
                f"   [{style}]{event.step}: {escape(event.message)}[/]", highlight=False
            )
        elif isinstance(event, StepFinished):
            self._clear()
            how = "[dim]reused[/]" if event.reused else f"{event.seconds:.1f} s"
            mark = "[green]✓[/]"
            self.console.print(
                f"{mark} {event.index:>2} [bold]{event.step}[/] [dim]{event.plugin}[/] {how}",
                highlight=False,
            )
        elif isinstance(event, StepFailed):
            self._clear()
            self.console.print(f"[red]✗[/] {event.index:>2} [bold]{event.step}[/]", highlight=False)
        elif isinstance(event, RunFinished):
            self._clear()
            self.console.print(f"[dim]{event.status} in {event.seconds:.1f} s[/]", highlight=False)

    def _clear(self) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.progress.stop()
            self.task = None
