"""Facts of the machine and of installed packages, for the provenance of a run."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from fibcore.packages import OWN

PACKAGES = (OWN, "numpy", "scipy", "numba", "torch", "lightning", "monai", "tifffile",
            "safetensors", "threadpoolctl", "pydantic", "pluggy")  # fmt: skip


def machine_facts() -> dict[str, Any]:
    """Return versions of Python and packages, platform, processor and its number of CPUs."""
    return {
        "python": sys.version.split()[0],
        "platform": _platform(),
        "processor": _processor(),
        "cpu_count": os.cpu_count(),
        "packages": _versions(),
    }


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
    return platform.machine()


def _platform() -> str:
    """Return system, release and architecture; `platform.platform` would start a process."""
    system = platform.uname()
    return f"{system.system}-{system.release}-{system.machine}"
