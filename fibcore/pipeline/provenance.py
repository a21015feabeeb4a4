"""``provenance.json``: what made a result, written anew after every step."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import fibcore
from fibcore.pipeline.plan import Plan
from fibcore.registry import registry

PACKAGES = ("fibtomo", "numpy", "scipy", "numba", "torch", "lightning", "monai", "tifffile",
            "safetensors", "threadpoolctl", "pydantic", "pluggy")  # fmt: skip


class Provenance:
    """The record of one run; `write` replaces the file as a whole."""

    def __init__(
        self, path: Path, plan: Plan, *, device: str, threads: int, command: Sequence[str]
    ) -> None:
        self.path = path
        self.record: dict[str, Any] = {
            "fib": fibcore.__version__,
            "status": "running",
            "started": now(),
            "ended": None,
            "command": list(command),
            "pipeline": plan.pipeline.name,
            "seed": plan.pipeline.seed,
            "device": device,
            "threads": threads,
            "python": sys.version.split()[0],
            "platform": platform.platform(),
            "processor": _processor(),
            "cpu_count": os.cpu_count(),
            "packages": _versions(),
            "plugins": {e.distribution: e.version for e in registry().entries() if e.distribution},
            "git": _git(plan.base),
            "warnings": list(plan.warnings),
            "steps": [],
        }

    def add_step(self, record: dict[str, Any]) -> None:
        """Add what is to be said of one step, and write."""
        self.record["steps"].append(record)
        self.write()

    def close(self, status: str) -> None:
        """Note how the run ended, and write."""
        self.record["status"] = status
        self.record["ended"] = now()
        self.write()

    def write(self) -> None:
        """Write beside the place, then rename."""
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.record, indent=1, default=str) + "\n", encoding="utf-8")
        part.replace(self.path)


def now() -> str:
    """Return the time in UTC as ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def peak_memory_bytes() -> int:
    """Return the largest resident size that this process has had; 0 where it cannot be told."""
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor()


def _git(folder: Path) -> dict[str, Any] | None:
    """Return commit and cleanliness of the git checkout that the pipeline lies in, if any."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(folder), *arguments],
                capture_output=True, text=True, timeout=10, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "changed": bool(git("status", "--porcelain", "-uno"))}
