"""Run the paper's study, or the comparison of simulations, and write its page with figures.

``python -m benchmarks.study`` writes docs/explanation/study.md, ``python -m benchmarks.study
simulations`` docs/explanation/simulations.md, from one of the pipelines of examples/paper. All
results go through fib's own cache in ``DIR/cache``, so a stopped study resumes. Sizes: ``smoke``
(minutes, for a test), ``cpu`` (the pages; hours on two cores), ``paper`` (a GPU).
"""

from __future__ import annotations

import argparse
import os
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from pathlib import Path

from fibcore import FibError

from .cells import SEEDS, VOLTAGES, Cell, cells, computed

DOCS_SIZE = "cpu"
SIMULATIONS_KV = (2,)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("part", nargs="?", choices=("study", "simulations"), default="study")
    parser.add_argument("--out", type=Path, default=Path("study"), help="for runs and the cache")
    parser.add_argument("--size", choices=("smoke", "cpu", "paper"), default=DOCS_SIZE)
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time; default: one a core"
    )
    parser.add_argument("--page", type=Path, help="the page that is written; default: the docs'")
    parser.add_argument(
        "--seeds", type=int, nargs="+", help="default: 1 2 3, for the simulations 1"
    )
    parser.add_argument(
        "--voltages",
        type=int,
        nargs="+",
        choices=VOLTAGES,
        help="default: 1 2 4, for the simulations 2",
    )
    args = parser.parse_args()
    simulations = args.part == "simulations"
    everything = args.seeds is None and args.voltages is None
    if args.page is None and not (everything and args.size == DOCS_SIZE):
        parser.error("only the whole study in size cpu writes the page of the docs; give --page")
    seeds = tuple(args.seeds or (SEEDS[:1] if simulations else SEEDS))
    voltages = tuple(args.voltages or (SIMULATIONS_KV if simulations else VOLTAGES))
    signal.signal(signal.SIGTERM, _stop)
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in

    from . import page as study_page
    from . import simulation_page
    from .results import Study

    args.out.mkdir(parents=True, exist_ok=True)
    if simulations:
        wanted = [Cell("simulation", kv, seed=seed) for seed in seeds for kv in voltages]
    else:
        wanted = list(cells(seeds, voltages))
    threads = max(1, (os.cpu_count() or 1) // args.jobs)
    with ProcessPoolExecutor(args.jobs, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(computed, cell, args.size, args.out, threads) for cell in wanted]
        try:
            for future in as_completed(done):
                print(future.result(), flush=True)
        except FibError as error:
            pool.shutdown(cancel_futures=True)
            raise SystemExit(str(error)) from None
    runs = {cell: cell.run(args.size, args.out, threads) for cell in wanted}  # from the cache
    written = simulation_page if simulations else study_page
    page = args.page or written.PAGE
    written.write(Study(runs), page, args.size)
    print(f"wrote {page}")


def _stop(number: int, _frame: object) -> None:
    """End the runs in progress, too, which would otherwise continue without a parent."""
    for child in active_children():
        child.terminate()
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
