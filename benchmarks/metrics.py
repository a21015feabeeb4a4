"""Time and memory of the metrics on a random two-phase structure like a leveled wave.

    python -m benchmarks.metrics [--size 512] [--threads 2]

Seconds are medians; memory is in addition to the volume. Compilation is excluded.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from scipy import ndimage

from fib_plugins.metrics.overlap import Overlap
from fib_plugins.metrics.plane_diameters import NORMAL, mean_diameter_in_planes
from fib_plugins.structure_statistics.connectivity import connectivity
from fib_plugins.structure_statistics.lineal_path import SEGMENTS
from fib_plugins.structure_statistics.packed_bits import pack_bits
from fib_plugins.structure_statistics.surface import specific_surface
from fib_plugins.structure_statistics.thickness import mean_thickness
from fib_plugins.structure_statistics.two_point import PAIRS, Counters, count_in_slabs
from fibcore import Labels

from .peak_memory import PeakMemory

CUBE = (1.0, 1.0, 1.0)


def structure(size: int) -> np.ndarray:
    """Return smoothed noise cut at a solid fraction of 0.35: ligaments about 30 voxels wide."""
    coarse = np.random.default_rng(0).standard_normal((size // 4,) * 3).astype(np.float32)
    coarse = ndimage.gaussian_filter(coarse, 2.5, mode="wrap")
    field = ndimage.zoom(coarse, 4, order=1)
    return (field > np.quantile(coarse, 0.65)).astype(np.uint8)


def tasks(size: int, threads: int) -> dict[str, tuple[int, int, Callable[[np.ndarray], object]]]:
    """Return the tasks: name -> edge of the volume, repetitions, function."""
    half = size // 2

    def curve(counters: Counters, lag: int) -> Callable[[np.ndarray], object]:
        def along_axes(labels: np.ndarray) -> object:
            words = pack_bits(labels, "solid", threads)
            lags = [min(lag, n - 1) for n in labels.shape]
            return [count_in_slabs(counters, words, i, lags[i], threads) for i in range(3)]

        return along_axes

    return {
        "two-point correlation, r <= 100, three axes": (
            size,
            5,
            curve(PAIRS, 100),
        ),
        f"lineal path, r <= {half}, three axes": (size, 5, curve(SEGMENTS, half)),
        "ligament diameters, three planes": (
            half,
            3,
            lambda v: [mean_diameter_in_planes(v, p, CUBE, "solid", threads) for p in NORMAL],
        ),
        "local thickness in 3-D": (
            half,
            3,
            lambda v: mean_thickness(v, CUBE, "solid", 1.0, threads),
        ),
        "specific surface": (size, 5, lambda v: specific_surface(v, CUBE, threads)),
        "connectivity": (size, 1, connectivity),
        "overlap": (size, 3, lambda v: Overlap().measure(Labels(v, CUBE), Labels(v, CUBE))),
    }


def measured(name: str, size: int, threads: int, file: Path) -> tuple[int, float, float]:
    """Run one task; return the edge of its volume, the median time in s and the memory in MB.

    Meant for a process of its own, in which no memory is left over from earlier work.
    """
    edge, runs, function = tasks(size, threads)[name]
    volume = np.ascontiguousarray(np.load(file, mmap_mode="r")[:edge, :edge, :edge]).copy()
    function(volume[:24, :24, :24].copy())
    seconds = []
    with PeakMemory() as peak:
        for _ in range(runs):
            start = time.perf_counter()
            function(volume)
            seconds.append(time.perf_counter() - start)
    return edge, statistics.median(seconds), peak.bytes / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    print(f"{options.threads} threads")
    print(f"{'':<46}{'voxels':>8}{'seconds':>9}{'MB':>7}")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "structure.npy"
        np.save(file, structure(options.size))
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as processes:
            for name in tasks(options.size, options.threads):
                task = processes.submit(measured, name, options.size, options.threads, file)
                edge, seconds, megabytes = task.result()
                cube = f"{edge}^3"
                print(f"{name:<46}{cube:>8}{seconds:>9.2f}{megabytes:>7.0f}", flush=True)


if __name__ == "__main__":
    main()
