"""Compact atomic scattering factors into the file that fib ships.

    pip install periodictable xraydb
    python tools/compact_scattering_factors.py [--out scattering_factors.npz]

f1 and f2 from 40 eV to 30 keV are those of B. L. Henke, E. M. Gullikson and J. C. Davis, At. Data
Nucl. Data Tables 54 (1993) 181, from the package `periodictable` (public domain), averaged
over bins of equal width in the logarithm of the energy. The oscillator strength above 30 keV is
computed from f2 of C. T. Chantler, J. Phys. Chem. Ref. Data 24 (1995) 71 (NIST), from the package
`xraydb` (public domain).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import periodictable  # type: ignore[import-not-found]
import xraydb  # type: ignore[import-not-found]

from fib_plugins.electrons import dielectric
from fibcore.elements import elements

PER_BIN = 40
TOP_EV = 900_000.0


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=dielectric.DATA, help="file to write")
    out = parser.parse_args().out
    low, high = dielectric.INNER_RANGE_EV
    edges = np.geomspace(low, high, dielectric.BINS * PER_BIN + 1)
    fine = np.sqrt(edges[1:] * edges[:-1])
    above = np.geomspace(high, TOP_EV, 6001)
    f1: list[np.ndarray] = []
    f2: list[np.ndarray] = []
    beyond: list[float] = []
    for symbol in elements():
        factors = periodictable.elements.symbol(symbol).xray.scattering_factors(energy=fine / 1000)
        for kept, values in zip((f1, f2), factors, strict=True):
            kept.append(values.reshape(dielectric.BINS, PER_BIN).mean(axis=1))
        absorbed = xraydb.f2_chantler(symbol, above)
        beyond.append(2.0 / np.pi * np.trapezoid(absorbed / above, above))
    np.savez_compressed(
        out,
        f1=np.array(f1, dtype=np.float32),
        f2=np.array(f2, dtype=np.float32),
        strength_above=np.array(beyond, dtype=np.float32),
    )
    print(f"{out}: {out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
