"""Run the paper's study and write docs/explanation/study.md with its figures.

``python -m benchmarks.study``. The pipelines are those of examples/paper. All results go
through fib's own cache in ``DIR/cache``, so a stopped study resumes. Sizes: ``smoke``
(minutes, for a test), ``cpu`` (the page; some three hours on two cores), ``paper``
(a GPU).
"""

from __future__ import annotations

import argparse
import os
import signal
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from pathlib import Path

from fibcore import FibError

from .cells import SEEDS, VOLTAGES, cells, computed

DOCS_SIZE = "cpu"


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--out", type=Path, default=Path("study"), help="for runs and the cache")
    parser.add_argument("--size", choices=("smoke", "cpu", "paper"), default=DOCS_SIZE)
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="runs at a time; default: one a core"
    )
    parser.add_argument("--page", type=Path, help="the page that is written; default: the docs'")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--voltages", type=int, nargs="+", choices=VOLTAGES, default=list(VOLTAGES))
    args = parser.parse_args()
    everything = (args.seeds, args.voltages) == (list(SEEDS), list(VOLTAGES))
    if args.page is None and not (everything and args.size == DOCS_SIZE):
        parser.error("only the whole study in size cpu writes the page of the docs; give --page")
    signal.signal(signal.SIGTERM, _stop)
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in

    from .page import PAGE, write
    from .results import Study

    args.out.mkdir(parents=True, exist_ok=True)
    wanted = list(cells(tuple(args.seeds), tuple(args.voltages)))
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
    page = args.page or PAGE
    write(Study(runs), page, args.size)
    print(f"wrote {page}")


def _stop(number: int, _frame: object) -> None:
    """End the runs in progress, too, which would otherwise continue without a parent."""
    for child in active_children():
        child.terminate()
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
