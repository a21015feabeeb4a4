"""Compare ways of adaptation and write docs/explanation/adaptation.md.

``python -m benchmarks.adaptation``. With fewer seeds, twins or ways the page needs another
``--page``.

A segmenter is trained on labelled ideal images and applied to twins: stacks of another structure,
recorded by an instrument unknown to all ways of adaptation (``adapter/twin``), except for the
oracle, which trains on images recorded by it. Every run goes through fib's own cache in
``DIR/cache``: a stopped comparison resumes, and for further seeds or ways only the new steps are
computed. The second part of the page shows results of `examples/ml_simulation.json`.

All ways have the same number of training steps. Two cores take three minutes for the images of a
seed, and one to four for each way and twin.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fibcore import FibError, Table
from fibcore.pipeline import check_pipeline, run_pipeline

from ..pages import write
from .methods import methods
from .ml_simulation import section
from .page import HEAD, PAGE
from .page import TWINS as ABOUT_TWINS
from .results import Result, markdown, write_rows
from .setting import TWINS, Step, run, shared_steps


def main() -> None:
    names = list(methods(TWINS[0]))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adaptation", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument(
        "--out", type=Path, default=Path("adaptation"), help="folder for results and the cache"
    )
    parser.add_argument("--page", type=Path, default=PAGE, help="the page that is written")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--twins", nargs="+", choices=TWINS, default=list(TWINS))
    parser.add_argument("--only", nargs="+", choices=names, metavar="METHOD", default=names)
    args = parser.parse_args()

    everything = (args.seeds, args.twins, args.only) == ([1, 2, 3], list(TWINS), names)
    if args.page == PAGE and not everything:
        parser.error("only a full comparison writes the page of the documentation; give --page")
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in
    args.out.mkdir(parents=True, exist_ok=True)
    results: list[Result] = []
    for seed in args.seeds:
        for name in args.only:
            for twin in args.twins:
                steps = methods(twin)[name]
                try:
                    result = measured(name, twin, seed, steps, args.out)
                except FibError as error:
                    print(f"failed: {name}, {twin}, seed {seed}: {error}", flush=True)
                    continue
                results.append(result)
                print(f"{seed}  {twin:8} {name:32} {result.mp_percent:6.2f} %", flush=True)
                write_rows(results, args.out / "results.csv")
    table = markdown(results, names, args.twins)
    print(f"\n{table}\n")
    about = ABOUT_TWINS.format(seeds=len(args.seeds), table=table)
    write(args.page, [HEAD, about, section(args.out)])
    print(f"wrote {args.page}")


def measured(name: str, twin: str, seed: int, steps: list[Step], out: Path) -> Result:
    """Run one way on one twin and return its result.

    Raises:
        FibError: a step failed.
    """
    error = run("error", "metric/overlap", prediction="solid", truth="truth")
    document = {
        "version": 1,
        "name": "adaptation",
        "seed": seed,
        "steps": [*shared_steps(twin), *steps, error],
    }
    plan = check_pipeline(document, base=out)
    result = run_pipeline(plan, out=out / "runs", cache=out / "cache")
    table = result["error"]
    assert isinstance(table, Table)
    row = table.rows()[0]
    own = [step["id"] for step in steps if step["id"] != "solid"]
    return Result(
        method=name,
        twin=twin,
        seed=seed,
        mp_percent=row["mp_percent"],
        mgp_percent=row["mgp_percent"],
        mds=row["mds"],
        seconds=sum(result.entries[identifier].manifest["seconds"] for identifier in own),
    )


if __name__ == "__main__":
    main()
