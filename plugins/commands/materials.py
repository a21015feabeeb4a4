"""``fib materials``."""

from __future__ import annotations

from fib_plugins.terminal_tables import Column, print_table
from fibcore.cli import echo, write_json
from fibcore.registry import registry


def materials_command(as_json: bool) -> None:
    """List materials."""
    entries = registry().usable("material")
    if as_json:
        write_json([entry.item.model_dump(mode="json") for entry in entries])
        return
    rows = []
    for entry in entries:
        material = entry.item
        parts = " ".join(f"{s}{_amount(a)}" for s, a in material.composition.items()) or "-"
        unit = " (weight)" if material.basis == "weight" and material.composition else ""
        density, z = f"{material.density_g_cm3:g}", f"{material.mean_atomic_number:.1f}"
        rows.append([material.name, parts + unit, density, z, entry.distribution])
    columns = [
        Column("material", style="bold"),
        Column("composition", text=True),
        Column("g/cm3", right=True),
        Column("mean Z", right=True),
        Column("from", style="dim"),
    ]
    print_table(columns, rows)
    echo("and every element Z = 1 to 92 by symbol or name (Au, gold)")


def _amount(amount: float) -> str:
    return "" if amount == 1 else f"{amount:g}"
