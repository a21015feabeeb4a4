"""``fib run``, ``fib check``, ``fib report``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from fibcore.cli.overrides import override
from fibcore.cli.progress import ProgressDisplay, WarningLines, print_warning
from fibcore.devices import resolve_device
from fibcore.errors import UsageError, sized
from fibcore.observers import EventLog, ReportWriter
from fibcore.pipeline import Plan, RunResult, StepError, check_pipeline, read_pipeline, run_pipeline
from fibcore.pipeline.status import StepStatus, previous_run, statuses
from fibcore.pipeline.store import Store
from fibcore.tables import Table


def plan_of(path: Path, files: Sequence[Path], options: Sequence[str], seed: int | None) -> Plan:
    """Return the plan of a pipeline file, with settings from files and the command line."""
    located = read_pipeline(path)
    base = path.absolute().parent
    changed = override(located.data, base=base, files=files, options=options, seed=seed)
    for remark in changed.remarks:
        Console(stderr=True).print(remark, highlight=False, markup=False, soft_wrap=True)
    located.origins = changed.origins
    return check_pipeline(changed.document, base=base, source=str(path), located=located)


def run_command(
    path: Path,
    files: Sequence[Path],
    options: Sequence[str],
    dry_run: bool,
    start: str | None,
    stop: str | None,
    force: Sequence[str],
    seed: int | None,
    out: Path,
    cache: Path,
    device: str,
    threads: int | None,
    resource_check: bool,
) -> None:
    """Run a pipeline, or say what a run would do."""
    if device != "auto":
        resolve_device(device)
    plan = plan_of(path, files, options, seed)
    console = Console()
    if dry_run:
        previous = previous_run(out / plan.pipeline.name)
        planned = statuses(
            plan, Store(cache), previous=previous, start=start, stop=stop, force=force
        )
        _show_statuses(console, planned)
        return
    _show_warnings(plan)
    command = ["fib", *sys.argv[1:]]
    display = (
        ProgressDisplay(console) if console.is_terminal else WarningLines(Console(stderr=True))
    )
    observers: list[object] = [display, EventLog(), ReportWriter()]
    try:
        result = run_pipeline(
            plan, out=out, cache=cache, device=device, threads=threads, start=start, stop=stop,
            force=force, check_memory_and_disk=resource_check, observers=observers,
            command=command,
        )  # fmt: skip
    except StepError as error:
        again = shlex.join(_without_force(command))
        error.args = (
            f"step {error.step.id!r} ({error.step.identifier}) failed: {error}\n"
            f"finished steps are kept, the log is {error.folder / 'log.jsonl'}\n"
            f"go on with: {again}",
        )
        raise
    except KeyboardInterrupt:
        again = shlex.join(_without_force(command))
        Console(stderr=True).print(
            f"interrupted; finished steps are kept, the present one goes on where it was with:\n"
            f"  {again}",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
        raise
    _show_results(console, result)
    console.print(f"results  {result.folder}", highlight=False, soft_wrap=True)
    console.print(f"report   {result.folder / 'report.html'}", highlight=False, soft_wrap=True)


def check_command(
    path: Path, files: Sequence[Path], options: Sequence[str], seed: int | None
) -> None:
    """Check a pipeline and say what it would need."""
    plan = plan_of(path, files, options, seed)
    _show_warnings(plan)
    memory = max(step.memory_bytes for step in plan.steps)
    disk = sum(step.disk_bytes for step in plan.steps)
    Console().print(
        f"{path}: no problems; {len(plan.steps)} steps, about {sized(memory)} of memory and "
        f"{sized(disk)} of disk",
        highlight=False, soft_wrap=True,
    )  # fmt: skip


def report_command(run: Path) -> None:
    """Write a run's report again."""
    from fibcore.report import write_report

    path = write_report(run_folders(run)[-1])
    Console().print(f"report   {path}", highlight=False, soft_wrap=True)


def run_folders(path: Path) -> list[Path]:
    """Return a run's folder, or those of all runs of a pipeline, oldest first.

    Raises:
        UsageError: it is neither.
    """
    if (path / "resolved.json").is_file():
        return [path]
    found = sorted(path.glob("*/resolved.json")) if path.is_dir() else []
    if not found:
        raise UsageError(
            f"{path} is not the folder of a run (it has no resolved.json), nor does it hold "
            f"one; name runs/<pipeline>/<run>, or runs/<pipeline>"
        )
    return [file.parent for file in found]


def _show_statuses(console: Console, planned: Sequence[StepStatus]) -> None:
    table = RichTable(box=None, pad_edge=False)
    for name in ("step", "plugin", "action", "why"):
        table.add_column(name, overflow="fold")
    colours = {"reuse": "green", "run": "yellow", "resume": "yellow", "leave": "dim"}
    for item in planned:
        action = Text(item.action, style=colours[item.action])
        table.add_row(item.step.id, item.step.identifier, action, Text(item.reason))
    console.print(table)
    working = [item for item in planned if item.works]
    disk = sum(item.step.disk_bytes for item in working)
    console.print(f"{len(working)} of {len(planned)} steps would run; about {sized(disk)} of disk")


def _show_warnings(plan: Plan) -> None:
    console = Console(stderr=True)
    for text in plan.warnings:
        print_warning(console, text)


def _show_results(console: Console, result: RunResult) -> None:
    """Print the figures of all metric steps: one table a metric, one column a step."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    for step in result.plan.steps:
        if step.identifier.startswith("metric/") and step.id in result.entries:
            table = result[step.id]
            if isinstance(table, Table) and len(table) == 1:
                groups.setdefault(step.identifier, {})[step.id] = table.rows()[0]
    for identifier, columns in groups.items():
        shown = RichTable(box=None, pad_edge=False)
        shown.add_column(identifier, no_wrap=True)
        for step_id in columns:
            shown.add_column(step_id, justify="right", overflow="fold")
        for name in dict.fromkeys(name for row in columns.values() for name in row):
            shown.add_row(name, *[_cell(row.get(name)) for row in columns.values()])
        console.print(shown)
        console.print()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _without_force(command: Sequence[str]) -> list[str]:
    """Return a command line that goes on: what was forced is not to be computed once more."""
    kept, skip = [], False
    for word in command:
        if skip:
            skip = False
        elif word == "--force":
            skip = True
        elif not word.startswith("--force="):
            kept.append(word)
    return kept
