"""The chemical elements Z = 1 to 92.

Standard atomic weights: IUPAC 2021 (for elements without one, the mass number of the
longest-lived isotope). Densities: those used by the NIST ESTAR database for elements at 20 C (gases
at one atmosphere; carbon is amorphous).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fibcore.errors import FibError, did_you_mean


@dataclass(frozen=True)
class Element:
    """One chemical element, e.g. ``Au``, ``gold``; its density is that at room temperature."""

    atomic_number: int
    symbol: str
    name: str
    atomic_weight_g_mol: float
    density_g_cm3: float


@cache
def elements() -> dict[str, Element]:
    """Return symbol -> element for all elements, in order of Z."""
    text = (Path(__file__).parent / "data" / "elements.csv").read_text(encoding="utf-8")
    rows = [
        Element(int(z), symbol, name, float(weight), float(density))
        for z, symbol, name, weight, density in list(csv.reader(text.splitlines()))[1:]
    ]
    return {row.symbol: row for row in rows}


def element(name: str) -> Element:
    """Return an element by symbol (``Au``) or English name (``gold``, any case).

    Raises:
        FibError: there is no such element; the message names the nearest.
    """
    table = elements()
    if name in table:
        return table[name]
    by_name = {entry.name: entry for entry in table.values()}
    if name.lower() in by_name:
        return by_name[name.lower()]
    raise FibError(f"no element {name!r}." + did_you_mean(name, [*table, *by_name]))
