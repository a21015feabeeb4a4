"""What libraries read from the environment when they are loaded, settled before any of them is.

How many threads share a sum decides its last bits. A variable that gives OpenMP fewer threads than
it is asked for changes results, and convolutions of PyTorch then wait for ever for the threads that
never came. And libraries that find no place for their caches fail, or complain.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from functools import cache
from pathlib import Path

from fibcore.numba_settings import settle_numba

OPENMP_LIMITS = (
    "OMP_DYNAMIC", "OMP_THREAD_LIMIT", "OMP_MAX_ACTIVE_LEVELS",
    "KMP_DEVICE_THREAD_LIMIT", "KMP_ALL_THREADS",
)  # fmt: skip
"""With any of them OpenMP may start fewer threads than a program asks for."""

INSTRUCTIONS = (
    "OPENBLAS_CORETYPE", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES", "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS", "MKL_DEBUG_CPU_TYPE", "ATEN_CPU_CAPABILITY",
    "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE",
    "DNNL_DEFAULT_FPMATH_MODE",
)  # fmt: skip
"""With any of them libraries take other instructions than the processor's best, or fewer digits."""

EVERYWHERE = "_ALL"
"""End of the names by which OpenMP 5.1 sets the same for the host and all devices."""

CACHES = {"NUMBA_CACHE_DIR": "numba", "MPLCONFIGDIR": "matplotlib"}


def settle() -> None:
    """Take out of the environment what fib decides itself; put in where caches can be written.

    Libraries that were loaded before have read the environment already.
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
    settle_numba()


def _home_is_writable() -> bool:
    """Return whether the folders can be written in which libraries keep what is the user's."""
    try:
        home = Path.home()
    except RuntimeError:  # neither a variable nor the system names one
        return False
    folders = (
        Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache"),
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config"),
    )  # a relative one would be another wherever fib is started
    return all(folder.is_absolute() and _can_be_made(folder) for folder in folders)


def _can_be_made(folder: str | Path) -> bool:
    with suppress(OSError):  # a relative name in a working folder that is gone
        path = Path(folder).absolute()
        there = next(each for each in (path, *path.parents) if os.path.exists(each))
        return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    return False


@cache
def _temporary() -> Path | None:
    """Return a folder of this user's among the temporary files, the same in later runs.

    Machine code is kept there. Therefore nobody else may be able to put something into it; if that
    is not certain, it is a new folder that is deleted in the end. None: there is no room for any.
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
