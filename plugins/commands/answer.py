"""The answer of a reconstruction on the terminal: figures with intervals, and their worth."""

from __future__ import annotations

from typing import Any

from fib_plugins.terminal_tables import Column, print_table
from fibcore.cli import echo
from fibcore.errors import FibError
from fibcore.pipeline import RunResult
from fibcore.tables import Table

ADEQUACY, BARS = "metric/adequacy", "metric/error_bars"


def show_answer(result: RunResult) -> None:
    """Print whether error bars may be believed, and the last figures with limits; if there are any.

    Args:
        result: a finished run, of a pipeline that may have been edited.
    """
    adequacy, bars = (_last(result, identifier) for identifier in (ADEQUACY, BARS))
    if bars is None:
        return
    echo()
    if adequacy is not None:
        echo(_worth(adequacy.rows()[0], any(row.get("outside_twins") for row in bars.rows())))
    print_table(
        [
            Column("figure"),
            Column("labels", right=True),
            Column("corrected", right=True),
            Column("from", right=True),
            Column("to", right=True),
            Column("remark", text=True),
        ],
        [_cells(row) for row in bars.rows()],
    )


def _worth(row: dict[str, Any], outside: bool) -> str:
    """Return what error bars are worth.

    Args:
        row: of the adequacy.
        outside: whether figures of the stack lie outside those of the twins.
    """
    p = f"(p = {row['p_value']:.2g})"
    if not row["adequate"]:
        return (
            f"the stack does not look like the virtual world {p}, most in {row['differs_most']}: "
            f"error bars may be too narrow"
        )
    if outside:
        return (
            f"the stack looks like the virtual world {p}, but some of its figures do not: error "
            f"bars may be too narrow"
        )
    return f"the stack looks like the virtual world {p}: error bars may be believed"


def _last(result: RunResult, identifier: str) -> Table | None:
    """Return the table of the last step of a plugin in a run."""
    for step in reversed(result.plan.steps):
        if step.identifier == identifier and step.id in result.entries:
            try:
                found = result[step.id]
            except FibError:
                return None
            return found if isinstance(found, Table) else None
    return None


def _cells(row: dict[str, Any]) -> list[str]:
    unit = f" ({row['unit']})" if row.get("unit") else ""
    numbers = [number(row[name]) for name in ("value", "corrected", "low", "high")]
    remark = "unlike the twins: a guess" if row.get("outside_twins") else ""
    return [f"{row['quantity'].replace('_', ' ')}{unit}", *numbers, remark]


def number(value: Any) -> str:
    """Return a number with four digits; text as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
