"""Prints the figures of several runs side by side: ``fib compare``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path

from fib_plugins.report.collect import collect
from fib_plugins.report.replicates import (
    Group,
    differences,
    figures_of,
    grouped,
    long_table,
    mean_and_spread,
)
from fib_plugins.terminal_tables import Column, print_table
from fibcore.cli import echo
from fibcore.errors import UsageError

SHOWN = 8
"""Number of differing settings that are printed for a group; others are counted."""


def compare_runs(folders: Sequence[Path], csv: Path | None) -> None:
    """Print the figures of several runs side by side; write all of them as CSV.

    Raises:
        UsageError: there are no figures.
    """
    runs = [collect(folder) for folder in folders]
    measured = [run for run in runs if any(figures_of(run))]
    if not measured:
        raise UsageError(
            f"no finished metric step in {len(runs)} run(s): nothing to compare; add a step such "
            f"as metric/overlap to the pipeline, or name other runs"
        )
    groups = dict(zip(_letters(), grouped(measured), strict=False))
    _print_summary(groups)
    steps = dict.fromkeys(step for group in groups.values() for step in group.figures)
    for step in steps:
        _print_figures(step, groups)
    if len(measured) < len(runs):
        out = len(runs) - len(measured)
        echo(f"left out: {out} run(s) without a finished metric step")
    if csv is not None:
        csv.parent.mkdir(parents=True, exist_ok=True)
        csv.write_text(long_table(groups).to_csv(), encoding="utf-8")
        echo(f"figures  {csv}")


def _print_summary(groups: Mapping[str, Group]) -> None:
    """Print a line for each group: its runs, and its differing settings."""
    last = "pipeline" if len(groups) == 1 else "settings"
    columns = [Column(""), Column("runs"), Column("seeds", text=True), Column(last, text=True)]
    rows = []
    apart = differences(list(groups.values()))
    for (letter, group), settings in zip(groups.items(), apart, strict=True):
        words = [f"{name}={value}" for name, value in settings.items()]
        if len(words) > SHOWN:
            words = [*words[:SHOWN], f"and {len(words) - SHOWN} more"]
        seeds = ", ".join(str(run.seed) for run in group.runs)
        what = "\n".join(words) or group.runs[0].name
        rows.append([letter, str(len(group.runs)), seeds, what])
    print_table(columns, rows)
    echo()


def _print_figures(step: tuple[str, str], groups: Mapping[str, Group]) -> None:
    """Print one line for each figure of a step, with one column for each group."""
    found = {letter: group.figures.get(step, {}) for letter, group in groups.items()}
    columns = [Column(f"{step[0]} ({step[1]})"), *(Column(letter, right=True) for letter in found)]
    rows = []
    for name in dict.fromkeys(name for figures in found.values() for name in figures):
        values = [figures.get(name) for figures in found.values()]
        rows.append([name, *["" if value is None else mean_and_spread(value) for value in values]])
    print_table(columns, rows)
    echo()


def _letters() -> Iterator[str]:
    """Yield A to Z, then A1 to Z1, and so on."""
    for turn in count():
        yield from (f"{chr(ord('A') + place)}{turn or ''}" for place in range(26))
