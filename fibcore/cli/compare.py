"""``fib compare``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from fibcore.cli.run import run_folders
from fibcore.errors import UsageError
from fibcore.report.collect import collect
from fibcore.report.replicates import (
    Group,
    differences,
    figures_of,
    grouped,
    long_table,
    mean_and_spread,
)

SHOWN = 8
"""Settings by which a group differs; more are counted only."""


def compare_command(paths: Sequence[Path], csv: Path | None) -> None:
    """Print the figures of several runs side by side; write them all as CSV."""
    folders = dict.fromkeys(folder for path in paths for folder in run_folders(path))
    runs = [collect(folder) for folder in folders]
    measured = [run for run in runs if any(figures_of(run))]
    if not measured:
        raise UsageError(
            f"no finished metric step in {len(runs)} run(s): nothing to compare; add a step such "
            f"as metric/overlap to the pipeline, or name other runs"
        )
    groups = dict(zip(_letters(), grouped(measured), strict=False))
    console = Console()
    _print(console, _summary(groups))
    steps = dict.fromkeys(step for group in groups.values() for step in group.figures)
    for step in steps:
        _print(console, _figures(step, groups))
    if len(measured) < len(runs):
        out = len(runs) - len(measured)
        console.print(f"left out: {out} run(s) without a finished metric step", highlight=False)
    if csv is not None:
        csv.parent.mkdir(parents=True, exist_ok=True)
        csv.write_text(long_table(groups).to_csv(), encoding="utf-8")
        console.print(f"figures  {csv}", highlight=False, soft_wrap=True)


def _summary(groups: Mapping[str, Group]) -> RichTable:
    """Return a line for each group: its runs, and what sets it apart."""
    table = RichTable(box=None, pad_edge=False)
    for name in ("", "runs", "seeds", "pipeline" if len(groups) == 1 else "settings"):
        table.add_column(name, overflow="fold")
    apart = differences(list(groups.values()))
    for (letter, group), settings in zip(groups.items(), apart, strict=True):
        words = [f"{name}={value}" for name, value in settings.items()]
        if len(words) > SHOWN:
            words = [*words[:SHOWN], f"and {len(words) - SHOWN} more"]
        seeds = ", ".join(str(run.seed) for run in group.runs)
        what = "\n".join(words) or group.runs[0].name
        table.add_row(letter, str(len(group.runs)), seeds, what)
    return table


def _figures(step: tuple[str, str], groups: Mapping[str, Group]) -> RichTable:
    """Return a line for each figure of a step, a column for each group."""
    table = RichTable(box=None, pad_edge=False)
    table.add_column(f"{step[0]} ({step[1]})", overflow="fold")
    found = {letter: group.figures.get(step, {}) for letter, group in groups.items()}
    for letter in found:
        table.add_column(letter, justify="right", overflow="fold")
    for name in dict.fromkeys(name for columns in found.values() for name in columns):
        values = [columns.get(name) for columns in found.values()]
        table.add_row(name, *["" if value is None else mean_and_spread(value) for value in values])
    return table


def _print(console: Console, table: RichTable) -> None:
    console.print(table, highlight=False)
    console.print()


def _letters() -> Iterator[str]:
    """Yield A to Z, then A1 to Z1, and so on."""
    for turn in count():
        yield from (f"{chr(ord('A') + place)}{turn or ''}" for place in range(26))
