"""Stacks that are larger than the memory: time, peak of memory, and disk of whole commands.

    python -m benchmarks.large metrics|labels|check|correctors [--size Z Y X] [--folder FOLDER]

- ``metrics``: ``fib run`` of load, ``metric/morphology``, ``metric/anisotropy`` and the report.
- ``labels``: ``fib run`` of load and ``segmenter/threshold``; the source is one BigTIFF, of which
  the first slices hold an image and the rest is a hole in the file.
- ``correctors``: ``fib run`` of load and all correctors, of a stack with drift, curtains, uneven
  brightness and a data bar; the time of each step follows.
- ``check``: the second ``fib check`` of a folder with one TIFF for each slice, most of them holes.

Memory is the highest anonymous memory of the command's process: memory-mapped files, whose pages
the system drops when others need the space, are no memory. Disk is what the command has written,
without the source: at its peak, and at the end.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from scipy import ndimage

from fibcore.errors import sized

from .peak_memory import status_bytes

SIZES = {
    "metrics": (600, 2048, 3072),
    "labels": (2000, 4096, 4096),
    "check": (2000, 4096, 4096),
    "correctors": (600, 2048, 3072),
}
VOXEL_SIZE_NM = 5.0
BLOCK = (300, 512, 512)
"""Shape of the structure that is repeated; it is periodic."""
SMOOTHING = 7.0
"""Standard deviation in voxels of the filter that makes it: ligaments are about 30 voxels wide."""
BAR = 64
"""Height of the data bar of raw slices, pixels."""
REAL = 50
"""One part in so many of a source with holes has grey values."""
DISK_FACTOR = {"metrics": 1.2, "labels": 1.3, "check": 0.1, "correctors": 9.0}
"""Free space on the disk that is asked for, in sizes of the stack."""
INTERVAL_S = 0.1


@dataclass(frozen=True)
class Needed:
    """What a command has needed.

    Attributes:
        seconds: of wall time.
        cpu_seconds: of all threads together.
        memory: highest anonymous memory in bytes.
        disk_peak: most that its folder has held, in bytes.
        disk_end: what the folder held at the end.
    """

    seconds: float
    cpu_seconds: float
    memory: int
    disk_peak: int
    disk_end: int


def structure(shape: tuple[int, int, int]) -> np.ndarray:
    """Return a periodic structure, uint8 in axes (z, y, x): filtered noise, 40 % solid."""
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    field = ndimage.gaussian_filter(noise, SMOOTHING, mode="wrap", truncate=3)
    return (field > np.quantile(field[::8], 0.6)).astype(np.uint8)


def slices(shape: tuple[int, int, int], grey: bool) -> Callable[[int], np.ndarray]:
    """Return a function that gives a slice of a stack: labels, or grey values of them."""
    block = structure((min(BLOCK[0], shape[0]), *BLOCK[1:]))
    times = [-(-n // edge) for n, edge in zip(shape[1:], BLOCK[1:], strict=True)]
    noise = np.random.default_rng(1).integers(0, 60, block.shape[1:], np.uint8)

    def at(z: int) -> np.ndarray:
        plane = block[z % len(block)]
        if grey:
            plane = 60 + 100 * plane + np.roll(noise, 97 * z, axis=(0, 1))
        return np.tile(plane, times)[: shape[1], : shape[2]]

    return at


def write_stack(path: Path, shape: tuple[int, int, int], *, grey: bool, filled: int) -> None:
    """Write one BigTIFF whose first `filled` slices have values; the others are a hole."""
    at = slices(shape, grey)
    stack = tifffile.memmap(
        path, shape=shape, dtype=np.uint8, bigtiff=True, photometric="minisblack", metadata=None
    )
    for z in range(filled):
        stack[z] = at(z)
    stack.flush()


def write_raw(path: Path, shape: tuple[int, int, int]) -> None:
    """Write one BigTIFF of slices that drift, with curtains, and a data bar of 64 rows."""
    random = np.random.default_rng(2)
    at = slices(shape, True)
    walk = np.cumsum(random.normal(0, 1.5, (shape[0], 2)), axis=0).round().astype(int)
    stack = tifffile.memmap(
        path, shape=shape, dtype=np.uint8, bigtiff=True, photometric="minisblack", metadata=None
    )
    bar = random.choice(np.array([0, 255], np.uint8), (BAR, shape[2]), p=(0.8, 0.2))
    for z in range(shape[0]):
        curtains = ndimage.gaussian_filter1d(random.normal(0, 40, shape[2]), 2.0)
        face = np.roll(at(z), walk[z], axis=(0, 1)) + curtains + random.normal(0, 4)
        stack[z] = np.clip(face, 0, 255)
        stack[z, -BAR:] = bar
    stack.flush()


def write_slices(folder: Path, shape: tuple[int, int, int], filled: int) -> None:
    """Write one TIFF for each slice; the first `filled` are full, the others only some rows."""
    folder.mkdir()
    at = slices((filled, *shape[1:]), True)
    for z in range(shape[0]):
        image = tifffile.memmap(
            folder / f"slice_{z:05d}.tif", shape=shape[1:], dtype=np.uint8,
            photometric="minisblack", metadata=None,
        )  # fmt: skip
        rows = slice(None if z < filled else shape[1] // REAL + 1)
        image[rows] = at(z % filled)[rows]
        image.flush()


def command(arguments: list[str], folder: Path) -> Needed:
    """Run ``fib`` in a folder and watch what it needs.

    Raises:
        SystemExit: it fails; its output is shown.
    """
    fib = str(Path(sys.executable).with_name("fib"))
    # as for a user, Python caches compiled modules
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    before, cpu = used_bytes(folder), cpu_of_children()
    start = time.perf_counter()
    with (folder / "output.txt").open("w+", encoding="utf-8") as output:
        process = subprocess.Popen(
            [fib, *arguments], cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment
        )
        done, disk, memory = threading.Event(), [0], 0

        def watch_disk() -> None:
            while not done.wait(1.0):
                disk[0] = max(disk[0], used_bytes(folder))

        watcher = threading.Thread(target=watch_disk)
        watcher.start()
        while process.poll() is None:
            memory = max(memory, status_bytes("RssAnon", process.pid))
            time.sleep(INTERVAL_S)
        seconds = time.perf_counter() - start
        done.set()
        watcher.join()
        if process.returncode:
            output.seek(0)
            sys.exit(output.read()[-4000:])
    end = used_bytes(folder)
    cpu = cpu_of_children() - cpu
    return Needed(seconds, cpu, memory, max(disk[0], end) - before, end - before)


def cpu_of_children() -> float:
    """Return the CPU time of the processes that this one has waited for, in seconds."""
    times = os.times()
    return times.children_user + times.children_system


def used_bytes(folder: Path) -> int:
    """Return the space on the disk that a folder takes; what is deleted meanwhile counts as 0."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += 512 * path.lstat().st_blocks
        except FileNotFoundError:
            continue
    return total


def write_pipeline(folder: Path, name: str, source: Path, as_: str, steps: list[Any]) -> None:
    """Write a pipeline that loads a stack and does some steps."""
    params = {"as": as_, "voxel_size_nm": VOXEL_SIZE_NM}
    if as_ == "images":
        params["kv"] = 2
    load = {"id": "stack", "load": str(source), "params": params}
    document = {"version": 1, "name": name, "seed": 1, "steps": [load, *steps]}
    (folder / "pipeline.json").write_text(json.dumps(document, indent=1), encoding="utf-8")


def metrics(shape: tuple[int, int, int], folder: Path) -> None:
    """Print what morphology, anisotropy and the report need."""
    write_stack(folder / "labels.tif", shape, grey=False, filled=shape[0])
    measured = [
        {"id": name, "run": f"metric/{name}", "inputs": {"prediction": "stack"}}
        for name in ("morphology", "anisotropy")
    ]
    work = working(folder)
    write_pipeline(work, "large", folder / "labels.tif", "labels", measured)
    show("load, morphology, anisotropy, report", shape, command(["run", "pipeline.json"], work))


def labels(shape: tuple[int, int, int], folder: Path) -> None:
    """Print what it takes from a stack to its labels."""
    filled = max(1, shape[0] // REAL)
    write_stack(folder / "images.tif", shape, grey=True, filled=filled)
    step = {"id": "labels", "run": "segmenter/threshold", "inputs": {"images": "stack"}}
    work = working(folder)
    write_pipeline(work, "large", folder / "images.tif", "images", [step])
    show("load, threshold, report", shape, command(["run", "pipeline.json"], work))


def check(shape: tuple[int, int, int], folder: Path) -> None:
    """Print how long the first and the second check of many files take."""
    write_slices(folder / "slices", shape, max(1, shape[0] // REAL))
    step = {"id": "labels", "run": "segmenter/threshold", "inputs": {"images": "stack"}}
    work = working(folder)
    write_pipeline(work, "large", folder / "slices", "images", [step])
    for times in ("first", "second"):
        needed = command(["check", "pipeline.json"], work)
        show(f"{times} fib check, {shape[0]} files", shape, needed)


def correctors(shape: tuple[int, int, int], folder: Path) -> None:
    """Print what all correctors need, and the time of each."""
    write_raw(folder / "raw.tif", shape)
    chain = (
        ("face", "crop", {"images": "stack"}),
        ("untilted", "tilt", {"images": "face"}),
        ("aligned", "align", {"images": "untilted"}),
        ("field", "crop", {"images": "aligned", "shifts": corrections_of("aligned")}),
        ("levelled", "level", {"images": "field"}),
        ("destriped", "destripe", {"images": "levelled"}),
        ("measured", "thickness", {"images": "destriped"}),
        ("even", "resample", {"images": "measured", "positions": corrections_of("measured")}),
    )
    steps = [
        {"id": step, "run": f"corrector/{name}", "inputs": inputs} for step, name, inputs in chain
    ]
    work = working(folder)
    write_pipeline(work, "large", folder / "raw.tif", "images", steps)
    show("load, all correctors, report", shape, command(["run", "pipeline.json"], work))
    (record,) = work.glob("runs/large/*/provenance.json")
    for step in json.loads(record.read_text(encoding="utf-8"))["steps"]:
        nanoseconds = 1e9 * step["seconds"] / math.prod(shape)
        print(f"  {step['id']:<35}{duration(step['seconds']):>9}{nanoseconds:>9.0f} ns per voxel")


def corrections_of(step: str) -> dict[str, str]:
    """Return the table of corrections of a step, as an input."""
    return {"from": step, "artefact": "corrections"}


def working(folder: Path) -> Path:
    """Return a new folder for a pipeline, beside the source."""
    work = folder / "work"
    work.mkdir()
    return work


def show(what: str, shape: tuple[int, int, int], needed: Needed) -> None:
    """Print a line of the table."""
    size = math.prod(shape)
    shares = f"{needed.disk_peak / size:.2f} S, {needed.disk_end / size:.2f} S"
    wall, cpu = duration(needed.seconds), duration(needed.cpu_seconds)
    print(f"{what:<37}{wall:>9}{cpu:>9}{sized(needed.memory):>9}{shares:>16}", flush=True)


def duration(seconds: float) -> str:
    """Return a time as text."""
    return f"{seconds / 60:.0f} min" if seconds > 300 else f"{seconds:.1f} s"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("row", choices=SIZES)
    parser.add_argument("--size", type=int, nargs=3, metavar=("Z", "Y", "X"))
    parser.add_argument("--folder", type=Path, help="work here, not in the folder of the system")
    args = parser.parse_args()
    shape = tuple(args.size or SIZES[args.row])
    size = math.prod(shape)
    with tempfile.TemporaryDirectory(prefix="fib-large-", dir=args.folder) as folder:
        needed, free = int(DISK_FACTOR[args.row] * size), shutil.disk_usage(folder).free
        if needed > free:
            sys.exit(
                f"{' x '.join(map(str, shape))} voxels take {sized(needed)} on the disk of "
                f"{folder}, where {sized(free)} are free: give a --folder on another disk, or a "
                f"smaller --size"
            )
        print(f"S = {' x '.join(map(str, shape))} voxels of 8 bits, {sized(size)}")
        print(f"{'':<37}{'time':>9}{'CPU':>9}{'memory':>9}{'disk: peak, end':>16}")
        rows = {"metrics": metrics, "labels": labels, "check": check, "correctors": correctors}
        rows[args.row](shape, Path(folder))


if __name__ == "__main__":
    main()
