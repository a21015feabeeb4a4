"""Measures and prints; see the package."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from ..pages import spread, table
from .untrained import UNTRAINED, Untrained
from .ways import WAYS, Way, measured
from .yields import yield_errors

TARGET = 0.6
"""Most MP of the new way, as a multiple of the best of the old ones."""


def report(results: Mapping[int, Mapping[str, float]]) -> str:
    """Return the table of the ways: MP, and its ratio to the best old way of each seed.

    The caption of a way that refuses some twins has the number of those that it segments.
    """
    rows_of: dict[str, Untrained | Way] = {**UNTRAINED, **WAYS}
    old = [name for name, way in rows_of.items() if way.old]
    best = {seed: min(found[name] for name in old) for seed, found in results.items()}
    rows = []
    for name, way in rows_of.items():
        values = [found[name] for found in results.values() if name in found]
        ratios = [found[name] / best[seed] for seed, found in results.items() if name in found]
        target = f"at most {TARGET}" if name == "electrode" else ""
        part = f", {len(values)} of {len(results)}" if 0 < len(values) < len(results) else ""
        rows.append([way.caption + part, spread(values), spread(ratios), target])
    return table(["way", "MP (%)", "to the best old way", "target"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("open_pores"), help="what is kept")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    args = parser.parse_args()
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in
    if len(args.ways) == len(WAYS):
        print(yield_errors(), end="\n\n", flush=True)
    ways = {name: WAYS[name] for name in args.ways}
    results = {seed: measured(seed, args.out, ways) for seed in args.seeds}
    if len(ways) == len(WAYS):
        print(report(results))


if __name__ == "__main__":
    main()
