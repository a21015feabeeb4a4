"""Several workers against one process: time, the same bytes, a worker that dies, 64 workers.

    python -m benchmarks.cluster [steps|killed|many] [--folder FOLDER]

- ``steps``: whole pipelines by ``fib run --jobs 1``, ``--jobs 2`` and ``--cluster local:2``. Times
  hold everything, from the start of the command and its workers to the report.
- ``killed``: 100 slices of a Monte Carlo simulation by two workers, one of which is killed.
- ``many``: efficiency of 64 workers, from the measured times of slices and of what the process of
  the step does for each.

Results of all ways are compared, byte by byte.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from fib_plugins import LeveledWave, MonteCarlo
from fib_plugins.electrons.finished_slices import FinishedSlices
from fib_plugins.simulators.imaging_of_slices import imagers_of
from fibcore import Context

ROOT = Path(__file__).parents[1]
FIB = (str(Path(sys.executable).with_name("fib")),)
WAYS = {
    "one process": ("--jobs", "1"),
    "--jobs 2": ("--jobs", "2"),
    "--cluster local:2": ("--cluster", "local:2"),
}
PIPELINES = {
    "quickstart": ("examples/quickstart.json",),
    "study in small, one thread for each step": (
        "examples/paper/ensemble.json", "--settings", "examples/paper/smoke.json",
        "--set", "unet_*.base_channels=8", "--set", "unet_*.epochs=10",
        "--set", "unet_*.patches_per_epoch=400", "--threads", "1",
        "--set", "unet_*.cpu_threads=1", "--set", "*_gan.cpu_threads=1",
    ),
}  # fmt: skip
SLICES, KILL_AFTER = 100, 40
PAPER = (512, 512, 512)
VOLTAGES_KEV = (1.0, 2.0, 4.0)
ELECTRONS = 100
MANY = 64
IN_FLIGHT = 2
"""Slices that a worker has or waits for, as in `fib_plugins.workers.on_worker`."""
SUBMIT_S = 0.002
"""Time that Dask's scheduler takes for a task; about a millisecond by its documentation."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", nargs="?", choices=("steps", "killed", "many"))
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as temporary:
        folder = Path(temporary)
        for name, part in (("steps", steps), ("killed", killed), ("many", many)):
            if given.part in (None, name):
                part(folder)
                print(flush=True)


def steps(folder: Path) -> None:
    """Compare ways to run whole pipelines."""
    print(f"{'':34}{'time':>8}{'gain':>7}   same bytes")
    for name, pipeline in PIPELINES.items():
        seconds, hashes = {}, {}
        for number, (way, workers) in enumerate(WAYS.items()):
            cache = folder / f"{name[:5]}-{number}"
            command = [*FIB, "run", *pipeline, *workers, "--device", "cpu"]
            start = time.perf_counter()
            _run([*command, "--cache", str(cache), "--out", str(folder / "runs")])
            seconds[way] = time.perf_counter() - start
            hashes[way] = artefacts(cache)
        print(name)
        for way, taken in seconds.items():
            gain = seconds["one process"] / taken
            same = "yes" if hashes[way] == hashes["one process"] else "NO"
            print(f"  {way:32}{taken:6.1f} s{gain:7.2f}   {same}", flush=True)


def killed(folder: Path) -> None:
    """Kill one of two workers in the middle of a simulation."""
    pipeline = folder / "slices.json"
    pipeline.write_text(json.dumps(_slices_of(SLICES)), encoding="utf-8")
    one, two = folder / "one", folder / "two"
    common = [*FIB, "run", str(pipeline), "--out", str(folder / "runs"), "--device", "cpu"]
    start = time.perf_counter()
    _run([*common, "--cache", str(one), "--jobs", "1"])
    alone = time.perf_counter() - start
    start = time.perf_counter()
    run = subprocess.Popen(
        [*common, "--cache", str(two), "--cluster", "local:2"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    imaged: set[tuple[str, int]] = set()
    watching = threading.Event()
    watch = threading.Thread(target=_watch, args=(two, imaged, watching))
    watch.start()
    while run.poll() is None and len(imaged) < KILL_AFTER:
        time.sleep(0.05)
    victims = [c for c in psutil.Process(run.pid).children(recursive=True) if _is_worker(c)]
    os.kill(max(victims, key=lambda child: sum(child.cpu_times()[:2])).pid, signal.SIGKILL)
    run.wait()
    taken = time.perf_counter() - start
    watching.set()
    watch.join()
    same = "yes" if artefacts(one) == artefacts(two) else "NO"
    print(f"{SLICES} slices, one process: {alone:.0f} s; two workers, one killed: {taken:.0f} s")
    print(f"complete, same bytes: {same}; exit code {run.returncode}")
    again = len(imaged) - SLICES
    print(f"finished slices imaged again: {again}, beside the one that the worker was imaging")


def many(folder: Path) -> None:
    """Model the makespan of many workers from measured times."""
    structure = LeveledWave(
        shape=(64, 128, 128), voxel_size_nm=3.26, ligament_diameter_nm=40, solid_fraction=0.4
    ).generate(seed=0)
    plugin = MonteCarlo(energies_kev=VOLTAGES_KEV, electrons_per_pixel=ELECTRONS)
    imagers = imagers_of(plugin, structure, [0, 1], [0, 1, 2], "", Context(0, threads=1))
    pixels = PAPER[1] * PAPER[2]
    slices = {
        kev: imagers[channel].seconds_per_pixel((0, 128), (0, 128)) * pixels
        for channel, kev in enumerate(VOLTAGES_KEV)
    }
    host = seconds_to_collect(folder, (PAPER[1], PAPER[2])) + SUBMIT_S
    tasks = [slices[kev] for kev in sorted(slices, reverse=True) for _ in range(PAPER[0])]
    work = sum(tasks)
    print(f"data set of the paper: {PAPER[0]} slices of {PAPER[1]} x {PAPER[2]} pixels at each of")
    print(f"{len(slices)} voltages, {ELECTRONS} electrons a pixel")
    for kev, seconds in slices.items():
        print(f"  one slice at {kev:g} kV, one core        {seconds:8.1f} s   measured")
    print(f"  collecting one slice                  {host:8.3f} s   measured")
    print(f"  one core                              {work / 3600:8.1f} h")
    print(f"{'workers':>10}{'makespan':>12}{'efficiency':>12}")
    for workers in (2, 16, MANY, 256):
        span = makespan(tasks, workers, host)
        print(f"{workers:10}{span / 60:8.1f} min{work / (workers * span):12.1%}")


def makespan(tasks: Sequence[float], workers: int, host: float) -> float:
    """Return the time for tasks in the order given.

    A worker that ends a task has the next one already. Results wait for the process of the step,
    which takes them one after the other, and gives out a new task for each.

    Args:
        tasks: seconds of each.
        workers: number of workers.
        host: seconds that the process of the step takes for each result.
    """
    free = [0.0] * workers  # when each worker has nothing to do
    heapq.heapify(free)
    given, collected = [0.0] * min(len(tasks), IN_FLIGHT * workers), 0.0
    ends: list[float] = []
    for number, seconds in enumerate(tasks):
        if number >= len(given):  # given out when one was collected
            collected = max(collected, heapq.heappop(ends)) + host
            given.append(collected)
        end = max(heapq.heappop(free), given[number]) + seconds
        heapq.heappush(free, end)
        heapq.heappush(ends, end)
    for end in sorted(ends):
        collected = max(collected, end) + host
    return collected


def seconds_to_collect(folder: Path, shape: tuple[int, int], number: int = 20) -> float:
    """Return the time that the process of a step takes for a slice that a worker has left."""
    finished = FinishedSlices(folder, "x" * 64, ("images",), (1, number, *shape), np.float32)
    plane = np.random.default_rng(0).random(shape, np.float32)
    for z in range(number):
        finished.deposits.put(0, z, {"images": plane})
    start = time.perf_counter()
    for z in range(number):
        finished.take(0, z)
    return (time.perf_counter() - start) / number


def artefacts(cache: Path) -> dict[str, str]:
    """Return the hash of every artefact in a folder of finished steps."""
    found = {}
    for record in cache.glob("*/step.json"):
        for name, artefact in json.loads(record.read_text())["artefacts"].items():
            found[f"{record.parent.name}/{name}"] = artefact["sha256"]
    return found


def _slices_of(number: int) -> dict[str, Any]:
    waves = {"shape": [number, 96, 96], "voxel_size_nm": 10, "ligament_diameter_nm": 60}
    return {
        "version": 1,
        "name": "slices",
        "steps": [
            {
                "id": "gold",
                "run": "generator/leveled_wave",
                "params": {**waves, "solid_fraction": 0.4},
            },
            {
                "id": "images",
                "run": "simulator/monte_carlo",
                "params": {"energies_kev": [2], "electrons_per_pixel": 60},
                "inputs": {"labels": "gold"},
            },
        ],
    }


def _watch(cache: Path, imaged: set[tuple[str, int]], ended: threading.Event) -> None:
    """Note every slice that a worker leaves: its name and the inode of its file."""
    while not ended.is_set():
        for path in cache.glob("*.partial/scratch/slices-*/*.npz"):
            try:
                imaged.add((path.name, path.stat().st_ino))
            except OSError:  # collected meanwhile
                continue
        time.sleep(0.002)


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)


if __name__ == "__main__":
    main()
