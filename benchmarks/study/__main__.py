"""Run the paper's study and write docs/explanation/study.md, figures and all.

``python -m benchmarks.study``. The pipelines are those of examples/paper; everything goes
through fib's own cache in ``DIR/cache``: stopped, it goes on where it was. Sizes: ``smoke``
(minutes, to see that it works), ``cpu`` (the page; some three hours on two cores), ``paper``
(a GPU).
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from fibcore import FibError

from .cells import SEEDS, VOLTAGES, Cell, cells

DOCS_SIZE = "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--out", type=Path, default=Path("study"), help="for runs and the cache")
    parser.add_argument("--size", choices=("smoke", "cpu", "paper"), default=DOCS_SIZE)
    parser.add_argument("--page", type=Path, help="the page that is written; default: the docs'")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--voltages", type=int, nargs="+", choices=VOLTAGES, default=list(VOLTAGES))
    args = parser.parse_args()
    everything = (args.seeds, args.voltages) == (list(SEEDS), list(VOLTAGES))
    if args.page is None and not (everything and args.size == DOCS_SIZE):
        parser.error("only the whole study in size cpu writes the page of the docs; give --page")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in

    from .page import PAGE, write
    from .results import Study

    args.out.mkdir(parents=True, exist_ok=True)
    runs = {}
    for cell in cells(tuple(args.seeds), tuple(args.voltages)):
        begin = time.monotonic()
        try:
            runs[cell] = cell.run(args.size, args.out)
        except FibError as error:
            raise SystemExit(f"{words(cell)} failed: {error}") from None
        print(f"{time.monotonic() - begin:7.0f} s  {words(cell)}", flush=True)
    page = args.page or PAGE
    write(Study(runs), page, args.size)
    print(f"wrote {page}")


def words(cell: Cell) -> str:
    """Return what a run is, in words."""
    return f"{cell.pipeline}, {cell.kv} kV, {cell.preset} twin, seed {cell.seed}"


if __name__ == "__main__":
    main()
