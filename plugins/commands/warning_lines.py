"""The warnings of a run, as ``fib run`` and ``fib check`` print them."""

from __future__ import annotations

import re

from rich.console import Console

from fibcore import hookimpl
from fibcore.cli.terminal import print_warning
from fibcore.events import SERIOUS, RunEvent, RunFinished, RunWarned, StepLogged

_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"
_NUMBERS = re.compile(rf"{_NUMBER}(?:, {_NUMBER})*(?:, \.\.\.)?")


class WarningLines:
    """Prints the warnings of a run, each text once for all steps.

    Of warnings of steps that differ only in numbers (energies, slices), the first is printed; the
    others are counted, and their number is printed at the end.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._printed: set[str] = set()
        self._kinds: set[str] = set()
        self._more = 0

    def warn(self, text: str, step: str = "") -> None:
        """Print a warning, of a step or of the whole run, unless it was printed before."""
        if text not in self._printed:
            self._printed.add(text)
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
        if text not in self._printed and _NUMBERS.sub("#", text) in self._kinds:
            self._printed.add(text)
            self._more += 1
        else:
            self.warn(text, step)
