"""Programs that may not write where permissions say so, even if the tests are run by root."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

DROP_FROM_BOUNDING_SET, OVERRIDE_PERMISSIONS = 24, 1  # PR_CAPBSET_DROP, CAP_DAC_OVERRIDE


def run_restricted(
    arguments: list[str], cwd: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run Python with some arguments, and return what it printed."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=dict(environment), capture_output=True,
        text=True, check=False, timeout=300, preexec_fn=_without_override(),
    )  # fmt: skip


def make_read_only(folder: Path) -> None:
    """Take the permission to write away from a folder and all in it."""
    for place, _, files in os.walk(folder):
        for path in (Path(place), *(Path(place, name) for name in files)):
            path.chmod(path.stat().st_mode & ~0o222)


def _without_override() -> Callable[[], None] | None:
    """Return what makes permissions hold for root; None for anybody else, for whom they do."""
    if os.getuid() != 0:
        return None
    libc = ctypes.CDLL(None, use_errno=True)

    def drop() -> None:
        if libc.prctl(DROP_FROM_BOUNDING_SET, OVERRIDE_PERMISSIONS, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")

    return drop
