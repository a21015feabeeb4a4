"""Run benchmarks and write their output to docs/benchmarks.md: `make bench`, `make bench-large`.

``python -m benchmarks.run_all monte_carlo`` runs one and keeps the output of the others. Those of
large stacks run only by name, and `make bench-large` names them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from .pages import DOCS, machine, versions

ROOT = Path(__file__).parents[1]
PAGE = DOCS / "benchmarks.md"

BENCHMARKS = {
    "leveled_wave": "Leveled wave: 512 x 512 x 512 voxels, 10 000 waves (at most 10 s, 1.5 GB, "
    "error below 1e-5 of the field's standard deviation)",
    "metrics": "Metrics: two-point correlation and lineal path of 512 x 512 x 512 voxels along "
    "three axes (at most 2 s and 1 s), ligament diameters in three planes of 256 x 256 x 256 "
    "(at most 10 s)",
    "weighted_projection": "Weighted projection: 512 x 512 x 512 voxels, 12 slices (at most 3 s)",
    "monte_carlo": "Monte Carlo: electrons and pixels per second and core (at least three times "
    "the prototype), memory for 512 x 512 x 512 voxels (below 400 MB)",
    "surrogate": "Surrogate of the Monte Carlo: yields of unseen structures (rms error at most "
    "0.010 on structures like samples, 0.015 on simple shapes; bias of a phase at most 0.002), "
    "training for three voltages (at most 5 min), 512 x 512 x 512 voxels at 2 kV (at most 2 min, "
    "600 MB), distance of power spectra to Monte Carlo (at most 0.020; a trained translation: "
    "0.048)",
    "adequacy": "Adequacy of a virtual world: stacks of the world itself that are refused (5 %), "
    "and stacks with other noise, blur, contrast, structure or curtains",
    "inference": "Inference of the U-Net: CPU time per voxel of slices of 2048 x 3072 (with "
    "bfloat16 at most 0.35 us), labels in bfloat16 against 32 bits",
    "translation": "Image translation: training step (at least three times the reference "
    "CycleGAN's speed), 512 slices of 512 x 512 pixels (below 2 min with `fast`), memory "
    "(independent of the number of slices), distance to Monte Carlo images after equally long "
    "training (at most the reference's)",
    "backscatter_network": "Backscatter coefficients: network, lookup and Hunger-Kuchler "
    "against simulation (training at most 1 min)",
    "cluster": "Several workers: pipelines with independent steps (1.7 times faster with two), 100 "
    "Monte Carlo slices with a worker that dies (same bytes, at most one slice lost), 64 workers "
    "modelled from measured times (efficiency at least 90 %)",
    "startup": "Start of the command: `fib --help` (at most 0.3 s), `fib plugins list` (0.6 s)",
    "correctors.align": "Alignment of stacks with known drift, 64 slices of 224 x 224 pixels: rms "
    "error of steps on a porous stack, clean and with stripes of 0.5 standard deviations (at most "
    "0.04 and 0.05 pixels), cumulative error (0.20 and 0.20), drift invented (0.25), drift added "
    "to FIB-25 (0.15 and 0.15)",
    "correctors.destripe": "Removal of curtains of 0, 0.3 and 0.6: rms error left, in standard "
    "deviations of the clean image, on a porous stack (at most 0.05, 0.10, 0.17) and on FIB-25 "
    "(0.08, 0.12, 0.17)",
    "correctors.level": "Levelling of twins: drift, shading, streaks, bad slices, data bars",
    "correctors.thickness": "Slice thickness of twins: error of the mean (at most 3 %) and of "
    "single slices (10 % rms)",
    "correctors.chain": "Raw twins, corrected: misplaced pixels of a network against the same "
    "twin without drift, stripes and uneven slices (at most 1.15 times); correcting against "
    "teaching",
    "structures.spinodal": "Spinodal structures beside leveled waves: wavelength and ligament "
    "diameter over those asked for (within 3 % and 7 %), chords, curvature, connection",
    "structures.particles": "Particles and electrodes: CPU time of 32 x 192 x 192 voxels with "
    "particles of 2500 nm, and of 128 x 128 x 128 (at most 5 s on one core), overlap of packed "
    "shapes",
    "structures.foam": "Cells of foams: surface, edges and faces (within 1 % of theory for random "
    "cells), CPU time of 128 x 128 x 128 voxels",
    "structures.grains": "Grains of a twin of gold in epoxy: misplaced pixels of forests that have "
    "and have not seen grains",
    "batch_norm": "Normalisation of networks where a stack holds more or less solid than the "
    "images of training: which of `grey_shares` and `batch_norm` should be the default, by wrong "
    "pixels on twins of 30 to 70 percent solid",
    "structures.effective_medium": "Pores finer than a voxel: yield of resolved pores over that of "
    "the mixture (within 3 % for pores up to 10 nm)",
    "structure_fit": "Structures fitted to labels of each family, with all families and without "
    "the right one, and to a real porous metal: mean solid fraction (within 1 point) and ligament "
    "diameter (within 4 %; 5 % without the right family), CPU time (at most 2 min)",
    "look": "The look of stacks with open pores, without labels: share of solid (within 3 points), "
    "noise (2 %), mean Dice scores of segmentations on twins and a Monte Carlo, three seeds",
    "open_pores": "Open pores: yields of the weighted projection against Monte Carlo; misplaced "
    "pixels of networks on twins with binder and two detectors (at most 0.6 times the best way "
    "with backscattered electrons of two-phase structures)",
    "error_bars": "Error bars of a random forest's figures: coverage on stacks of hidden truth (85 "
    "to 97 %), median half-widths (of a network: solid fraction 1 point, ligament diameter 4 %, "
    "specific surface 6 %), rank correlation of expected and true MP (at least 0.9)",
    "shine_through": "Published methods against shine-through on twins of hidden truth, three "
    "seeds, beside thresholds, a random forest and a U-Net",
    "few_labels": "A few labels of a twin: misplaced pixels of a world's network, of labels alone, "
    "and of the network tuned on them (where the world is inadequate, with three slices, at most "
    "0.7 times without labels; nowhere more than the labels alone)",
    "ligament_diameter": "Mean ligament diameter requested from `generator/leveled_wave`, "
    "and the measured one",
}

LARGE = {
    "large metrics": "Large stacks: morphology, anisotropy and report of 600 x 2048 x 3072 labels "
    "(at most 2 GB, 40 min)",
    "large labels": "Large stacks: from 2000 x 4096 x 4096 voxels of 8 bits, one part in 50 with "
    "an image, to labels (at most 4 GB, 1.3 times the size of the stack on disk)",
    "large correctors": "Large stacks: all correctors of 600 x 2048 x 3072 voxels (at most 30 min, "
    "1.5 GB)",
    "large check": "Large stacks: `fib check` of 2000 files (the second one at most 1 s)",
}

HEAD = """# Benchmarks

`make bench` runs the benchmarks in `benchmarks/` and writes this page; those of large stacks are
run by `make bench-large`. The limits in brackets are goals of the project. Times are measured on a
shared machine: compare ratios, not seconds.

"""


def main() -> None:
    wanted = sys.argv[1:] or list(BENCHMARKS)
    titles = BENCHMARKS | LARGE
    if unknown := set(wanted) - set(titles):
        sys.exit(f"no benchmark {', '.join(unknown)}; there are {', '.join(titles)}")
    printed = known()
    for name in wanted:
        print(f"== {name}", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", *f"benchmarks.{name}".split()],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        print(done.stdout + done.stderr, flush=True)
        if done.returncode:
            sys.exit(f"{name} failed")
        printed[name] = done.stdout.rstrip()
    page = HEAD + f"Measured with {machine()}, {versions('numpy', 'numba', 'torch')}.\n"
    for name, title in titles.items():
        if name in printed:
            page += f"\n## {title}\n\n`python -m benchmarks.{name}`\n\n"
            page += f"```text\n{printed[name]}\n```\n"
    PAGE.write_text(page, encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)}")


def known() -> dict[str, str]:
    """Return the output of each benchmark that is on the page."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    pattern = r"`python -m benchmarks\.([\w. ]+)`\n\n```text\n(.*?)\n```"
    return dict(re.findall(pattern, text, re.DOTALL))


if __name__ == "__main__":
    main()
