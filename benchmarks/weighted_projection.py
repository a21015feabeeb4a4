"""Time and memory of the weighted projection: ``python -m benchmarks.weighted_projection``.

A two-phase structure on disk (memory-mapped, as a pipeline reads it) is imaged at one voltage. The
first call, which compiles or loads the kernels, is timed apart. Memory is the growth of anonymous
memory of a separate process, without mapped files.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from .peak_memory import PeakMemory

VOXEL_NM = 3.26


def structure(path: Path, edge: int) -> None:
    """Write a random two-phase structure of `edge` voxels a side, features about 20 voxels wide."""
    from scipy.ndimage import gaussian_filter, zoom

    coarse = gaussian_filter(np.random.default_rng(0).random((edge // 4,) * 3), 3, mode="wrap")
    solid = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=(edge,) * 3)
    for z in range(0, edge, 4):
        plane = zoom(coarse[z // 4], edge / len(coarse), order=1)
        solid[z : z + 4] = plane[:edge, :edge] > np.median(coarse)
    solid.flush()


def measure(path: Path, threads: int, repeats: int, params: dict[str, object]) -> dict[str, float]:
    """Return seconds of the first and of later calls, and the peak of memory in MB."""
    from fib_plugins.simulators.weighted_projection import WeightedProjection
    from fibcore import Context, Labels

    labels = Labels(np.load(path, mmap_mode="r"), (VOXEL_NM,) * 3)
    simulator = WeightedProjection(energies_kev=(2.0,), slices=12, **params)
    seconds = []
    with PeakMemory() as peak:
        for _ in range(repeats + 1):
            start = time.perf_counter()
            simulator.simulate(labels, context=Context(threads=threads))
            seconds.append(time.perf_counter() - start)
    return {
        "first": seconds[0],
        "median": statistics.median(seconds[1:]),
        "memory": peak.bytes / 2**20,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--edge", type=int, default=512, help="voxels a side")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("FILE", "PARAMS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        path, params = args.measure
        print(json.dumps(measure(Path(path), args.threads, args.repeats, json.loads(params))))
        return
    print(f"{args.edge}^3 voxels, 12 slices, 1 voltage, {args.threads} threads")
    print(f"{'mode':<34}{'median s':>10}{'first call s':>14}{'memory MB':>11}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.npy"
        structure(path, args.edge)
        for name, params in {
            "sum": {"mode": "sum"},
            "first_hit": {"mode": "first_hit"},
            "first_hit, 100 electrons a pixel": {"mode": "first_hit", "electrons_per_pixel": 100},
        }.items():
            command = [
                sys.executable,
                "-m",
                "benchmarks.weighted_projection",
                "--threads",
                str(args.threads),
            ]
            command += ["--repeats", str(args.repeats)]
            command += ["--measure", str(path), json.dumps(params)]
            found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
            print(
                f"{name:<34}{found['median']:>10.2f}{found['first']:>14.2f}{found['memory']:>11.0f}"
            )


if __name__ == "__main__":
    main()
