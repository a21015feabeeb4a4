"""Times of compiling the Monte Carlo and of loading it again, and a comparison of first electrons.

All kernels are compiled here in parallel; later parts load them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from .agreement import same_fates
from .part import Part
from .result import SECONDS, Result

TYPES = ("float32", "float64")


def measure(part: Part) -> None:
    """Compile for GPU and CPU in both precisions, load again, compare the counts."""
    started = {(on, dtype): _start(part, on, dtype) for dtype in TYPES for on in ("gpu", "cpu")}
    for dtype in TYPES:
        on_cpu, on_gpu = (_ended(part, started[on, dtype]) for on in ("cpu", "gpu"))
        check, passed = same_fates(on_gpu["counts"], on_cpu["counts"])
        part.result(
            Result(
                f"first slice, {dtype}: compiled",
                SECONDS, on_gpu["seconds"], on_cpu["seconds"], "one core", check, passed,
            )
        )  # fmt: skip
    if part.time_for(10, "first slice, float32: loaded"):
        on_cpu, on_gpu = (_ended(part, _start(part, on, "float32")) for on in ("cpu", "gpu"))
        part.result(
            Result(
                "first slice, float32: loaded",
                SECONDS, on_gpu["seconds"], on_cpu["seconds"], "one core",
            )
        )  # fmt: skip


def _start(part: Part, on: str, dtype: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-P", "-m", "benchmarks.gpu.first_call", on, dtype]
    command += [str(part.size(32, 2)), str(part.size(100, 10))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _ended(part: Part, process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the output of a process.

    Raises:
        RuntimeError: it failed; its output is on the terminal.
    """
    printed, _ = process.communicate(timeout=max(1.0, part.left()))
    if process.returncode:
        raise RuntimeError(f"{' '.join(process.args)} ended with {process.returncode}")  # type: ignore[arg-type]
    found: dict[str, Any] = json.loads(printed)
    return found
