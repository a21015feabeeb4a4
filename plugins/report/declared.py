"""Evaluates the roles of columns: the abscissa, and the curves that share axes."""

from __future__ import annotations

from collections.abc import Mapping

from fibcore.roles import Abscissa, Curve, Role
from fibcore.tables import Table


def abscissa(table: Table) -> tuple[str, Abscissa] | None:
    """Return name and role of the column along x, if one is declared."""
    for name, role in table.roles.items():
        if isinstance(role, Abscissa):
            return name, role
    return None


def best_of(table: Table) -> tuple[str, float] | None:
    """Return the label and the position on the abscissa of the chosen row."""
    found = abscissa(table)
    if found is None or found[1].best is None:
        return None
    return f"best {table.caption(found[0])}", found[1].best


def by_quantity(curves: Mapping[str, Curve]) -> dict[str, dict[str, Curve]]:
    """Return the curves of each quantity."""
    found: dict[str, dict[str, Curve]] = {}
    for name, role in curves.items():
        found.setdefault(role.quantity or name, {})[name] = role
    return found


def axis_label(table: Table, name: str) -> str:
    """Return the label of an axis: the name of a column or a quantity, with its unit."""
    unit = table.unit(name)
    return f"{table.caption(name)} ({unit})" if unit else table.caption(name)


def curves_of(table: Table) -> dict[str, Curve]:
    """Return the curves whose columns are numeric."""
    return {
        name: role
        for name, role in table.roles.items()
        if isinstance(role, Curve) and is_numeric(table, name)
    }


def named(table: Table, role: type[Role]) -> list[str]:
    """Return the columns of a role, in the order of the table."""
    return [name for name in table.names if isinstance(table.roles.get(name), role)]


def is_numeric(table: Table, name: str) -> bool:
    """Return whether a column is numeric."""
    return table[name].dtype.kind in "fiu"
