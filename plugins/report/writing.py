"""Writes the report, on demand and when a run ends."""

from __future__ import annotations

from pathlib import Path

from fibcore import hookimpl
from fibcore.errors import FibError
from fibcore.events import RunEvent, RunFinished
from fibcore.files import write_whole
from fibcore.text import shown


def write_report(run: Path) -> Path:
    """Write ``report.html`` into a run folder and return its path.

    The page is a single file that contains all pictures, charts, styles and scripts. It can be
    written for a failed run; files that cannot be read are reported in their place. The same folder
    always gives the same bytes.

    Raises:
        FibError: `run` is not the folder of a run, or cannot be written to.
    """
    from fib_plugins.report.collect import collect
    from fib_plugins.report.page import render

    text = render(collect(run))
    path = run / "report.html"
    try:
        write_whole(path, text, lasting=False)
    except OSError as error:
        raise FibError(
            f"{shown(path)} cannot be written ({error.strerror or error}); free some "
            f"space, or copy the run to a writable folder"
        ) from error
    return path


class ReportWriter:
    """Writes ``report.html`` when a run ends, unless it was interrupted."""

    @hookimpl
    def fib_run_event(self, event: RunEvent) -> Path | None:
        """Write the report at the end, and return its path."""
        if isinstance(event, RunFinished) and event.status != "interrupted":
            return write_report(event.run)
        return None
