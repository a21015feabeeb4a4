"""Environment variables that libraries read when they are loaded; they are set before that.

The number of threads that share a sum changes its last bits. A variable that gives OpenMP fewer
threads than requested changes results, and convolutions of PyTorch then wait forever for the
missing threads. Libraries that cannot write their caches fail or warn.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

OPENMP_LIMITS = (
    "OMP_DYNAMIC", "OMP_THREAD_LIMIT", "OMP_MAX_ACTIVE_LEVELS",
    "KMP_DEVICE_THREAD_LIMIT", "KMP_ALL_THREADS",
)  # fmt: skip
"""With any of them OpenMP may start fewer threads than requested."""

INSTRUCTIONS = (
    "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
)  # fmt: skip
"""With any of them libraries use other instructions than the processor's best, or fewer digits."""

EVERYWHERE = "_ALL"
"""Suffixes with which OpenMP 5.1 sets the same variable for the host and all devices."""

CACHES = {"NUMBA_CACHE_DIR": "numba", "MPLCONFIGDIR": "matplotlib"}


def configure() -> None:
    """Remove variables that fib controls itself, and set writable folders for caches.

    It has no effect on libraries that are already loaded.
    """
    for name in OPENMP_LIMITS:
        os.environ.pop(name, None)
        os.environ.pop(name + EVERYWHERE, None)
    for name in INSTRUCTIONS:
        os.environ.pop(name, None)
    home = _home_is_writable()
    for variable, name in CACHES.items():
        given = os.environ.get(variable)
        if not (_can_be_made(given) if given else home):
            folder = _temporary()
            if folder is not None:
                os.environ[variable] = str(folder / name)


def _home_is_writable() -> bool:
    """Return whether the folders in which libraries keep files of the user can be written."""
    try:
        home = Path.home()
    except RuntimeError:  # neither a variable nor the system sets a home
        return False
    folders = (
        Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache"),
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config"),
    )  # a relative one would depend on the working folder
    return all(folder.is_absolute() and _can_be_made(folder) for folder in folders)


def _can_be_made(folder: str | Path) -> bool:
    with suppress(OSError):  # a relative path in a working folder that was deleted
        path = Path(folder).absolute()
        there = next(each for each in (path, *path.parents) if os.path.exists(each))
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return False


@cache
def _temporary() -> Path | None:
    """Return a temporary folder of this user, the same in later runs.

    Machine code is stored there, so no other user may be able to write to it. If that is not
    certain, return a new folder, which is deleted at exit; None if no folder can be created.
    """
    import atexit
    import shutil
    import tempfile

    with suppress(OSError):
        user = getattr(os, "getuid", lambda: 0)()
        folder = Path(tempfile.gettempdir(), f"fib-{user}")
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        if (
            stat.S_ISDIR(status.st_mode)
            and status.st_uid == user
            and not status.st_mode & 0o077
            and os.access(folder, os.W_OK)
        ):
            return folder
        folder = Path(tempfile.mkdtemp(prefix="fib-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder
    return None
