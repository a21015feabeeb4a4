"""``fib report`` and ``fib compare``; they import what they need when called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fibcore.cli import DebugOption, echo
from fibcore.errors import UsageError


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (report, compare):
        app.command()(command)


def report(
    run: Annotated[Path, typer.Argument(help="Run folder (or the folder of a pipeline's runs).")],
    debug: DebugOption = False,
) -> None:
    """Write the report of a run again."""
    from fib_plugins.report.writing import write_report

    echo(f"report   {write_report(run_folders(run)[-1])}")


def compare(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders (or folders of all runs of a pipeline).")
    ],
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv", dir_okay=False, writable=True, help="File for all figures, one in each row."
        ),
    ] = None,
    debug: DebugOption = False,
) -> None:
    """Compare the figures of runs: mean and spread over seeds, one column for each setting."""
    from fib_plugins.report.side_by_side import compare_runs

    compare_runs(list(dict.fromkeys(folder for path in runs for folder in run_folders(path))), csv)


def run_folders(path: Path) -> list[Path]:
    """Return the folder of a run, or the folders of all runs of a pipeline, oldest first.

    Raises:
        UsageError: the path is neither.
    """
    from fibcore.pipeline.records import RESOLVED

    if (path / RESOLVED).is_file():
        return [path]
    found = sorted(path.glob(f"*/{RESOLVED}")) if path.is_dir() else []
    if not found:
        raise UsageError(
            f"{path} is not the folder of a run (it has no {RESOLVED}) and contains none; "
            f"name runs/<pipeline>/<run>, or runs/<pipeline>"
        )
    return [file.parent for file in found]
