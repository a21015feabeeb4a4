"""``fib run``, ``fib check``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from fib_plugins.commands.overrides import override
from fib_plugins.commands.reasons import previous_run, why
from fib_plugins.commands.warning_lines import WarningLines
from fib_plugins.event_log import EventLog
from fib_plugins.terminal_tables import Column, print_table
from fibcore.cli import console, echo
from fibcore.devices import resolve_device
from fibcore.errors import sized
from fibcore.pipeline import Plan, RunResult, StepError, check_pipeline, read_pipeline, run_pipeline
from fibcore.pipeline.keep import peak_bytes
from fibcore.pipeline.status import StepStatus, statuses
from fibcore.pipeline.store import Store
from fibcore.pipeline.workers import open_workers
from fibcore.tables import Table


def plan_of(path: Path, files: Sequence[Path], options: Sequence[str], seed: int | None) -> Plan:
    """Return the plan of a pipeline file with the settings of files and of the command line."""
    located = read_pipeline(path)
    base = path.absolute().parent
    changed = override(located.data, base=base, files=files, options=options, seed=seed)
    for remark in changed.remarks:
        echo(remark, err=True)
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
    workers: str,
    resource_check: bool,
    format: str = "auto",
) -> RunResult | None:
    """Run a pipeline and return its results, or show what a run would do and return None."""
    if device != "auto":
        resolve_device(device)
    plan = plan_of(path, files, options, seed)
    if dry_run:
        planned = statuses(plan, Store(cache), start=start, stop=stop, force=force)
        _show_statuses(plan, planned, previous_run(out / plan.pipeline.name))
        return None
    command = ["fib", *sys.argv[1:]]
    terminal = console()
    warnings = WarningLines(terminal if terminal.is_terminal else console(err=True))
    _show_warnings(plan, warnings)
    try:
        result = run_pipeline(
            plan, out=out, cache=cache, device=device, threads=threads, start=start, stop=stop,
            force=force, check_memory_and_disk=resource_check, observers=[warnings, EventLog()],
            command=command, workers=open_workers(workers), format=format,
        )  # fmt: skip
    except StepError as error:
        again = shlex.join(_without_force(command))
        error.args = (
            f"step {error.step.id!r} ({error.step.identifier}) failed: {error}\n"
            f"finished steps are kept; the log is {error.folder / 'log.jsonl'}\n"
            f"resume with: {again}",
        )
        raise
    except KeyboardInterrupt:
        again = shlex.join(_without_force(command))
        echo(
            f"finished steps are kept; resume the current step with:\n  {again}",
            err=True,
        )
        raise
    _show_results(result)
    echo(f"results  {result.folder}")
    for path in result.files:
        echo(f"{path.stem:<8} {path}")
    return result


def check_command(
    path: Path, files: Sequence[Path], options: Sequence[str], seed: int | None
) -> None:
    """Check a pipeline and print how much memory and disk it would need."""
    plan = plan_of(path, files, options, seed)
    _show_warnings(plan, WarningLines(console(err=True)))
    memory = max(step.expected.memory_bytes for step in plan.steps)
    disk = peak_bytes(plan, {step.id: step.expected.disk_bytes for step in plan.steps})
    echo(
        f"{path}: no problems; {len(plan.steps)} steps, about {sized(memory)} of memory and "
        f"{sized(disk)} of disk"
    )


def _show_statuses(
    plan: Plan, planned: Sequence[StepStatus], previous: dict[str, Any] | None
) -> None:
    before = {step["id"]: step for step in (previous or {}).get("steps", [])}
    columns = [Column("step"), Column("plugin"), Column("action"), Column("why", text=True)]
    colours = {"reuse": "green", "run": "yellow", "resume": "yellow", "leave": "dim"}
    rows: list[list[str | Text]] = [
        [
            i.step.id,
            i.step.identifier,
            Text(i.action, colours[i.action]),
            i.reason or why(i.step, before.get(i.step.id)),
        ]
        for i in planned
    ]
    print_table(columns, rows)
    working = [item for item in planned if item.works]
    disk = peak_bytes(plan, {item.step.id: item.step.expected.disk_bytes for item in working})
    echo(f"{len(working)} of {len(planned)} steps would run; about {sized(disk)} of disk")


def _show_warnings(plan: Plan, lines: WarningLines) -> None:
    ids = {step.id for step in plan.steps}
    for warning in plan.warnings:
        step, colon, text = warning.partition(": ")
        if colon and step in ids:
            lines.warn(text, step)
        else:
            lines.warn(warning)


def _show_results(result: RunResult) -> None:
    """Print the main figures of steps: one table for each plugin, one column for each step."""
    groups: dict[str, dict[str, dict[str, Any]]] = {}
    headlines: dict[str, tuple[str, ...]] = {}
    for step in result.plan.steps:
        headline = step.work.plugin.headline if step.work.plugin is not None else None
        if headline is not None and step.id in result.entries:
            table = result[step.id]
            if isinstance(table, Table) and len(table) == 1:
                groups.setdefault(step.identifier, {})[step.id] = table.rows()[0]
                headlines[step.identifier] = headline
    for identifier, columns in groups.items():
        found = dict.fromkeys(name for row in columns.values() for name in row)
        names = [name for name in headlines[identifier] if name in found] or list(found)
        print_table(
            [Column(identifier), *(Column(step_id, right=True) for step_id in columns)],
            [[name, *(_cell(row.get(name)) for row in columns.values())] for name in names],
        )
        if len(names) < len(found):
            echo(Text(f"and {len(found) - len(names)} more figures in the report", "dim"))
        echo()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _without_force(command: Sequence[str]) -> list[str]:
    """Return the command line without ``--force``, so that forced steps are not computed again."""
    kept, skip = [], False
    for word in command:
        if skip:
            skip = False
        elif word == "--force":
            skip = True
        elif not word.startswith("--force="):
            kept.append(word)
    return kept
