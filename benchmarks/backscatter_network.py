"""Coefficient models against simulation: ``python -m benchmarks.backscatter_network``.

Simulates the default table, trains `physics/ann` on it, and compares the network, the lookup
`physics/monte_carlo` and the analytic `physics/hunger_kuchler` with the table, and with fresh
simulations at energies, depths and a material between those of the table.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from pathlib import Path

import numpy as np

from fib_plugins.physics.ann import ANN
from fib_plugins.physics.hunger_kuchler import HungerKuchler
from fib_plugins.physics.monte_carlo import MonteCarloLookup
from fib_plugins.physics.monte_carlo_table import MonteCarloTable
from fibcore import Context, Physics
from fibcore.formats import read_table, write_table
from fibcore.registry import registry

BETWEEN = {
    "in the table": ("Au", "Ag", "Cu", "Si"),
    "not in it": ("Ni", "W"),
}
BETWEEN_KEV = (0.5, 0.75, 1.0, 1.25, 1.75, 2.5, 3.5, 4.5)
BETWEEN_NM = (5.0, 15.0, 25.0, 45.0, 75.0, 105.0, 145.0)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--electrons", type=int, default=100_000, help="per entry of the table")
    parser.add_argument("--seeds", type=int, default=3, help="networks to train")
    parser.add_argument("--table", type=Path, help="read the table from here, or write it here")
    args = parser.parse_args()
    logging.disable(logging.WARNING)  # extrapolations of Hunger and Kuchler's law, known
    threads = os.cpu_count() or 1

    plugin = MonteCarloTable(electrons=args.electrons)
    if args.table is not None and args.table.exists():
        table = read_table(args.table)
    else:
        start = time.perf_counter()
        table = plugin.tabulate(Context(1, threads=threads))
        seconds = time.perf_counter() - start
        rate = len(table) * args.electrons / seconds / threads
        print(f"table: {len(table)} rows in {seconds:.0f} s on {threads} threads, ", end="")
        print(f"{rate:.3g} electrons per second and thread")
        if args.table is not None:
            write_table(table, args.table)

    models: dict[str, Physics] = {
        "hunger_kuchler": HungerKuchler(),
        "lookup": MonteCarloLookup().fit(table),
    }
    gold = (table["material"] == "Au") & (table["energy_kev"] == 2.0)
    print(f"\n{'network':<10}{'train s':>9}{'epochs':>8}{'held out':>10}{'all':>10}{'Au 2 kV':>10}")
    for seed in range(args.seeds):
        context = Context(seed, threads=threads)
        start = time.perf_counter()
        network = ANN().fit(table, HungerKuchler(), context)
        seconds = time.perf_counter() - start
        apart = context.kept["comparison"]["network_eta"] - table["eta"]
        held_out = context.kept["comparison"]["held_out"]
        print(
            f"seed {seed:<5}{seconds:>9.1f}{len(context.kept['history']):>8}"
            f"{rms(apart[held_out]):>10.4f}{rms(apart):>10.4f}{rms(apart[gold]):>10.4f}"
        )
        models[f"network, seed {seed}"] = network
    print(f"standard error of the table: {rms(table['standard_error']):.4f}")
    deviation = context.kept["deviation"]
    print(f"\n{'keV':>6}" + "".join(f"{name:>24}" for name in deviation.names[2:]))
    for row in deviation.rows():
        cells = (f"{row[name]:>24.4f}" for name in deviation.names[2:])
        print(f"{row['energy_kev']:>6g}" + "".join(cells))

    print("\nbetween the table's energies and depths, against fresh simulations (rms)")
    print(f"{'materials':<16}{'model':<20}" + "".join(f"{e:>6g} kV" for e in BETWEEN_KEV))
    energies, depths = np.array(BETWEEN_KEV)[:, None], np.array(BETWEEN_NM)
    for what, names in BETWEEN.items():
        materials = [registry().material(name) for name in names]
        true = np.stack([plugin.coefficient(m, energies, depths) for m in materials])
        for model, physics in models.items():
            found = np.stack([physics.coefficient(m, energies, depths) for m in materials])
            apart = (found - true).transpose(1, 0, 2).reshape(len(BETWEEN_KEV), -1)
            print(f"{what:<16}{model:<20}" + "".join(f"{rms(line):>9.4f}" for line in apart))


if __name__ == "__main__":
    main()
