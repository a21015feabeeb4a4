"""``make reconstruct``: a raw stack is reconstructed, and compared with its hidden truth.

``python tools/demo.py [--out build/demo] [--budget 3m]`` makes the stack of
``examples/demo_stack.json``, gives it to ``fib reconstruct``, which sees nothing of the truth, and
prints the figures with intervals beside the truth of the same volume.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from fib_plugins.terminal_tables import Column, print_table
from fibcore import read_table
from fibcore.cli import echo
from fibcore.pipeline import check_pipeline, run_pipeline

ROOT = Path(__file__).parents[1]
OPTIONS = ("--solid", "Au", "--pore", "epoxy", "--seed", "1")
MOVING = ("corrector/crop", "corrector/align", "corrector/level")
FIGURES = {
    "solid_fraction": "solid_fraction",
    "specific_surface": "specific_surface_per_nm",
    "ligament_diameter": "mean_ligament_diameter_nm",
    "pore_diameter": "mean_pore_diameter_nm",
    "connectivity": "largest_solid_component_fraction",
}
"""Quantity of `metric/error_bars` -> figure of `metric/morphology`. Misplaced pixels are left out:
the truth is moved by whole pixels where the stack is aligned by parts of them."""


def main() -> None:
    """Make the stack, reconstruct it, compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "demo")
    parser.add_argument("--budget", default="3m")
    given, more = parser.parse_known_args()
    out: Path = given.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    stack, truth = made(out)
    run = reconstructed(out, stack, given.budget, more)
    compared(out, run, truth)


def made(out: Path) -> tuple[Path, Path]:
    """Return the files of the stack and of its truth."""
    document = json.loads((ROOT / "examples" / "demo_stack.json").read_text(encoding="utf-8"))
    result = run_pipeline(check_pipeline(document), out=out / "runs", cache=out / ".fib-cache")
    stack, truth = out / "gold.tif", out / "hidden_truth.tif"
    for name, path in (("images", stack), ("labels", truth)):
        (made_by,) = result.folder.glob("*-raw")
        shutil.copyfile(made_by / f"{name}.tif", path)
    return stack, truth


def reconstructed(out: Path, stack: Path, budget: str, more: list[str]) -> Path:
    """Reconstruct the stack as a user would, and return the folder of the run."""
    folder = out / "gold-reconstruction"
    fib = str(Path(sys.executable).with_name("fib"))
    command = [fib, "reconstruct", str(stack), *OPTIONS, "--budget", budget, "--out", str(folder)]
    echo("$ " + " ".join([*command, *more]))
    subprocess.run([*command, *more], check=True)
    return max(folder.glob("runs/*/*"), key=lambda path: path.name)


def compared(out: Path, run: Path, truth: Path) -> None:
    """Print the figures of a run beside those of the truth, cut and moved like the stack."""
    document = json.loads((out / "gold-reconstruction" / "pipeline.json").read_text("utf-8"))
    result = run_pipeline(
        check_pipeline(truth_pipeline(document, run, truth), base=out / "gold-reconstruction"),
        out=out / "runs",
        cache=out / ".fib-cache",
    )
    found = result["figures"].rows()[0]
    (bars,) = run.glob("*-bars")
    rows = []
    for row in read_table(bars / "table.csv"):
        name = FIGURES.get(str(row["quantity"]))
        if name is None:
            continue
        known = found[f"truth_{name}"]
        low, high = float(row["volume_low"]), float(row["volume_high"])
        inside = "yes" if low <= known <= high else "no"
        numbers = (float(row["corrected"]), low, high, known)
        rows.append([str(row["quantity"]), *(f"{value:.4g}" for value in numbers), inside])
    columns = ("corrected", "from", "to", "hidden truth", "inside")
    echo()
    print_table([Column("figure"), *(Column(name, right=True) for name in columns)], rows)


def truth_pipeline(document: dict[str, Any], run: Path, truth: Path) -> dict[str, Any]:
    """Return the pipeline that treats the truth as a reconstruction has treated the images."""
    steps: list[dict[str, Any]] = [{"id": "hidden", "load": str(truth)}]
    labels: Any = "hidden"
    for step in document["steps"]:
        if "load" in step:
            steps.append(step)
        elif step.get("run") in MOVING:
            steps.append({**step, "inputs": {**step["inputs"], "labels": labels}})
            labels = {"from": step["id"], "artefact": "labels"}
        else:
            break
    (made_by,) = run.glob("*-labels")
    compared_with = {"prediction": "reconstruction", "truth": labels}
    return {
        "version": 1,
        "name": "demo_truth",
        "steps": [
            *steps,
            {"id": "reconstruction", "load": str(made_by / "labels.tif")},
            {"id": "figures", "run": "metric/morphology", "inputs": compared_with},
        ],
    }


if __name__ == "__main__":
    main()
