"""Simulate the table of backscatter coefficients that fib ships (20 minutes on two cores).

    python tools/make_backscatter_table.py [--out backscatter.npz] [--only Au,2] [--threads 2]

Its rows are results of `physics/monte_carlo_table` for these materials, energies and depths
with the seed `SEED`. Rows are independent, so a part made with ``--only`` has the same values.
Run it again when results of the Monte Carlo change. Finished energies are stored next to the output
and reused if the command was stopped. The file is described in
`fib_plugins.backscatter.shipped_table`.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fib_plugins.backscatter.electron_range import kanaya_okayama_range_nm
from fib_plugins.backscatter.shipped_table import DATA
from fib_plugins.materials import MATERIALS
from fib_plugins.physics.monte_carlo_table import MonteCarloTable
from fibcore import Context
from fibcore.elements import elements
from fibcore.materials import EPOXY
from fibcore.registry import registry

SEED = 2025
ELECTRONS = 100_000

LEFT_OUT = ("He", "Ne", "Ar", "Kr", "Xe", "Rn", "Tc", "Pm", "Po", "At", "Fr", "Ra", "Ac", "Pa")
"""Elements that do not occur as samples: noble gases, and those without a stable isotope except Th
and U. Other gases are included for their compounds."""

ENERGIES_KEV = (
    *(0.5, 0.6, 0.7, 0.85, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0),
    *(7.0, 10.0, 15.0, 20.0, 30.0),
)
"""The usual voltages, with smaller steps where eta is curved: for heavy elements below 1 keV."""

DEPTH_FRACTIONS = tuple(i / 40 for i in range(21))
"""Depths as fractions of the electron range in epoxy; no electron returns from beyond one half."""


def materials() -> tuple[str, ...]:
    """Return the names of the built-in materials and the elements."""
    built_in = [material.name for material in MATERIALS if material.composition]
    return (*built_in, *(symbol for symbol in elements() if symbol not in LEFT_OUT))


def chosen(only: list[str]) -> tuple[tuple[str, ...], tuple[float, ...]]:
    """Return the selected names and energies; all names, or all energies, if none is selected."""
    names, energies = materials(), ENERGIES_KEV
    unknown = set(only) - set(names) - {f"{energy:g}" for energy in energies}
    if unknown:
        raise SystemExit(f"--only: {', '.join(sorted(unknown))} not in the table")
    return (
        tuple(name for name in names if name in only) or names,
        tuple(energy for energy in energies if f"{energy:g}" in only) or energies,
    )


def simulated(names: tuple[str, ...], energy_kev: float, context: Context) -> np.ndarray:
    """Return the number of backscattered electrons of one energy, (material, depth)."""
    table = MonteCarloTable(
        materials=names,  # type: ignore[arg-type]
        energies_kev=(energy_kev,),
        depths_nm=depths_nm(energy_kev),
        overlayer=EPOXY,
        electrons=ELECTRONS,
    ).tabulate(context)
    return np.rint(table["eta"] * ELECTRONS).astype(np.uint32).reshape(len(names), -1)


def depths_nm(energy_kev: float) -> tuple[float, ...]:
    """Return the depths of an energy, nm."""
    reach = float(kanaya_okayama_range_nm(EPOXY, energy_kev))
    return tuple(fraction * reach for fraction in DEPTH_FRACTIONS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=DATA, help="file to write")
    parser.add_argument("--only", help="a part: materials and energies (keV), as in Au,Cu,2")
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    options = parser.parse_args(arguments)
    names, energies = chosen(options.only.split(",") if options.only else [])
    parts = options.out.with_suffix(".parts")
    counts = []
    for energy in energies:
        context = Context(SEED, threads=options.threads, scratch=parts / f"{energy:g}keV")
        counts.append(simulated(names, energy, context))
        print(f"{energy:g} keV: {len(names)} materials", flush=True)
    np.savez_compressed(
        options.out,
        material=np.array(names),
        atomic_number=np.array([registry().material(name).mean_atomic_number for name in names]),
        energy_kev=np.array(energies),
        depth_nm=np.array([depths_nm(energy) for energy in energies]),
        electrons=np.array(ELECTRONS),
        counts=np.stack(counts, axis=1),
    )
    shutil.rmtree(parts)
    print(f"{options.out}: {options.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
