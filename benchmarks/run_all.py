"""Run benchmarks and write their output to docs/benchmarks.md: `make bench`.

``python -m benchmarks.run_all monte_carlo.py`` runs one and keeps the output of the others.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .pages import DOCS, machine, versions

HERE = Path(__file__).parent
PAGE = DOCS / "benchmarks.md"

BENCHMARKS = {
    "leveled_wave.py": "Leveled wave: 512 x 512 x 512 voxels, 10 000 waves (at most 10 s, 1.5 GB, "
    "error below 1e-5 of the field's standard deviation)",
    "metrics.py": "Metrics: two-point correlation and lineal path of 512 x 512 x 512 voxels along "
    "three axes (at most 2 s and 1 s), ligament diameters in three planes of 256 x 256 x 256 "
    "(at most 10 s)",
    "weighted_projection.py": "Weighted projection: 512 x 512 x 512 voxels, 12 slices "
    "(at most 3 s)",
    "monte_carlo.py": "Monte Carlo: electrons and pixels per second and core (at least three times "
    "the prototype), memory for 512 x 512 x 512 voxels (below 400 MB)",
    "translation.py": "Image translation: training step (at least three times the reference "
    "CycleGAN's speed), 512 slices of 512 x 512 pixels (below 2 min with `fast`), memory "
    "(independent of the number of slices), distance to Monte Carlo images after equally long "
    "training (at most the reference's)",
    "backscatter_network.py": "Backscatter coefficients: network, lookup and Hunger-Kuchler "
    "against simulation (training at most 1 min)",
    "startup.py": "Start of the command: `fib --help` (at most 0.3 s), `fib plugins list` (0.6 s)",
    "ligament_diameter.py": "Mean ligament diameter requested from `generator/leveled_wave`, "
    "and the measured one",
}

HEAD = """# Benchmarks

`make bench` runs every script in `benchmarks/` and writes this page. The limits in brackets are
goals of the project. Times are measured on a shared machine: compare ratios, not seconds.

"""


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    if unknown := set(wanted) - set(BENCHMARKS):
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    printed = known()
    for script in wanted:
        print(f"== {script}", flush=True)
        done = subprocess.run(
            [sys.executable, str(HERE / script)], capture_output=True, text=True, check=False
        )
        print(done.stdout + done.stderr, flush=True)
        if done.returncode:
            sys.exit(f"{script} failed")
        printed[script] = done.stdout.rstrip()
    page = HEAD + f"Measured with {machine()}, {versions('numpy', 'numba', 'torch')}.\n"
    for script, title in BENCHMARKS.items():
        if script in printed:
            page += f"\n## {title}\n\n`python benchmarks/{script}`\n\n"
            page += f"```text\n{printed[script]}\n```\n"
    PAGE.write_text(page, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(HERE.parent)}")


def known() -> dict[str, str]:
    """Return the output of each script that is on the page."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    pattern = r"`python benchmarks/([\w.]+)`\n\n```text\n(.*?)\n```"
    return dict(re.findall(pattern, text, re.DOTALL))


if __name__ == "__main__":
    main()
