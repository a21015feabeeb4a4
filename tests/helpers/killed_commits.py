"""Kills processes while they commit a step, at every operation on files; prints what is left.

It is a program of its own: a process with threads, as that of the tests, must not be forked.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ome_zarr_models  # noqa: F401  # loaded once, before the processes fork
import tifffile  # noqa: F401
import zarr  # noqa: F401
from numpy.lib.format import open_memmap

from fib_plugins.readers.zarr import levels
from fibcore import Context, Labels, Table, context
from fibcore.pipeline.store import Entry, Store
from fibcore.registry import registry

KEY = "a" * 64
SHAPE = (6, 40, 50)
KILLED = 9
OPERATIONS = ("rename", "replace", "fsync", "mkdir", "truncate", "rmdir")


def voxels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 2, SHAPE).astype(np.uint8)


def commit(store: Store) -> Entry:
    """Commit labels in a file of the scratch folder, which may be there already."""
    scratch = store.work_folder(KEY) / "scratch"
    file = scratch / "labels.npy"
    if file.exists():
        array: Any = open_memmap(file, "r+")
    else:
        array = Context(scratch=scratch).empty("labels", SHAPE, np.uint8)
        array[:] = voxels()
    labels = Labels(array, (5.0, 5.0, 5.0))
    return store.commit(KEY, {"labels": labels, "table": Table({"x": [1.0]})}, {})


def killed_at(number: int) -> None:
    """Let this process end at an operation on files of a given number."""
    left = number

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                os._exit(KILLED)
            return real(*args, **options)

        return call

    for name in OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))
    io.open = counted(io.open)  # type: ignore[assignment]


def in_process(work: Callable[[], Any]) -> int:
    """Return the exit code of a process that does something."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def left_by(root: Path, format_: str, number: int) -> dict[str, Any]:
    """Kill a commit at an operation, look at what is left, and commit again."""
    store = Store(root, volumes=format_)
    in_process(lambda: store.work_folder(KEY) and _prepare(store))

    def work() -> None:
        killed_at(number)
        commit(store)

    code = in_process(work)
    found = store.find(KEY)
    scratch = root / f"{KEY}.partial" / "scratch" / "labels.npy"
    state = "finished"
    if found is None:
        state = "gone"
        store.work_folder(KEY)  # as the next run does
        if scratch.exists():
            same = scratch.stat().st_size == 128 + np.prod(SHAPE)
            state = "in scratch" if same and (np.load(scratch) == voxels()).all() else "damaged"
        assert in_process(lambda: commit(store)) == 0
        found = store.find(KEY)
    assert found is not None
    assert store.examine(found.folder, thorough=True)[1] == ""
    left = [path.name for path in root.iterdir() if path.name not in (KEY, "locks")]
    return {"code": code, "state": state, "hash": found.hash_of("labels"), "left": left}


def _prepare(store: Store) -> None:
    array = Context(scratch=store.work_folder(KEY) / "scratch").empty("labels", SHAPE, np.uint8)
    array[:] = voxels()


def main(root: Path, format_: str) -> None:
    context.MEMORY_MAP_ABOVE_BYTES = 0
    levels.SMALL_ENOUGH = 30  # one coarser level
    registry().suffixes()
    found = []
    for number in range(1, 1000):
        found.append(left_by(root / str(number), format_, number))
        if found[-1]["code"] == 0:
            break
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
