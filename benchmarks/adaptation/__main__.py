"""Compare ways of adaptation: ``python -m benchmarks.adaptation --out DIR``.

A segmenter is trained on labelled ideal images and applied to twins: stacks of another structure,
recorded by an instrument that no way of adaptation knows (``adapter/twin``), but for the oracle,
which trains on images recorded by it. Every run goes through fib's own cache in ``DIR/cache``:
stopped, it goes on where it was, and more seeds or ways cost only what is new.

All ways have the same number of training steps. Two cores take three minutes for the images of a
seed, and one to four for each way and twin.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fibcore import FibError, Table
from fibcore.pipeline import check_pipeline, run_pipeline

from .methods import lacking, methods
from .results import Result, markdown, write_rows
from .setting import TWINS, Step, run, shared_steps


def main() -> None:
    names = list(methods(TWINS[0]))
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adaptation", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for results and the cache")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--twins", nargs="+", choices=TWINS, default=list(TWINS))
    parser.add_argument("--only", nargs="+", choices=names, metavar="METHOD", default=names)
    args = parser.parse_args()

    os.environ.setdefault("GOMP_SPINCOUNT", "1000")  # as the command does, before torch comes in
    args.out.mkdir(parents=True, exist_ok=True)
    chosen = []
    for name in args.only:
        what = lacking(methods(TWINS[0])[name])
        if what:
            print(f"left out: {name}: there is no {what}", flush=True)
        else:
            chosen.append(name)
    results: list[Result] = []
    for seed in args.seeds:
        for name in chosen:
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
    (args.out / "table.md").write_text(table, encoding="utf-8")
    print("\n" + table)


def measured(name: str, twin: str, seed: int, steps: list[Step], out: Path) -> Result:
    """Run one way on one twin and return how it did.

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
