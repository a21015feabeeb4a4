"""A volume of 512^3 at 2 kV with 100 electrons per pixel: time, memory, and what it would take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fib_plugins import Surrogate
from fibcore import Context, Labels

from ..monte_carlo import PER_PIXEL, VOXEL_NM, data_set, structure
from ..peak_memory import PeakMemory, status_bytes


def measured(edge: int, threads: int) -> None:
    """Print time and memory of a volume, imaged in a fresh process, beside the Monte Carlo."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.npy"
        structure(path, edge)
        command = [sys.executable, "-m", "benchmarks.surrogate", "--measure", str(path)]
        command += ["--threads", str(threads)]
        start = time.perf_counter()
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        whole = time.perf_counter() - start
        found = json.loads(done.stdout)
        slices = data_set(path, threads)["2"]
    hours = slices * edge / 3600
    print(f"\n{edge}^3 voxels at 2 kV, {PER_PIXEL} electrons per pixel, {threads} threads")
    print(f"surrogate, referee included{found['seconds']:>12.0f} s ({found['cpu']:.0f} s of CPU)")
    print(f"the process, imports included{whole:>10.0f} s")
    print(f"Monte Carlo{hours:>29.2f} h ({3600 * hours / found['seconds']:.0f} times as long)")
    print("the paper's software                 7 d; its projection and translation 20 s, after")
    print("                                     hours of training on a data-centre GPU")
    print(f"peak memory{found['anonymous_mb']:>29.0f} MB ({found['resident_mb']:.0f} MB with the")
    print("                                     pages of mapped files, which the system can drop)")
    print(f"referee: bias {found['bias']:+.4f} +- {found['bias_error']:.4f}, ", end="")
    print(f"chi-square {found['chi_square']:.3f}, {found['pixels']:.0f} pixels")


def image(path: Path, threads: int) -> dict[str, float]:
    """Image a volume on disk; return seconds, peak memory in MB, and the referee's figures."""
    labels = Labels(np.load(path, mmap_mode="r"), (VOXEL_NM,) * 3)
    start, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch, PeakMemory() as peak:
        context = Context(1, scratch=Path(scratch), threads=threads)
        simulator = Surrogate(energies_kev=(2.0,), electrons_per_pixel=PER_PIXEL)
        simulator.simulate(labels, context=context)
        found = {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        row = next(iter(context.kept["referee"].rows()))
    names = ("pixels", "bias", "bias_error", "chi_square")
    figures = {name: float(row[name]) for name in names}
    memory = {"anonymous_mb": peak.highest, "resident_mb": status_bytes("VmHWM")}
    return found | figures | {name: size / 2**20 for name, size in memory.items()}


def threads_by_default() -> int:
    """Return the number of cores."""
    return os.cpu_count() or 1
