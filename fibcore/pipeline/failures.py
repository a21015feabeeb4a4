"""Explains why a step failed: an error of the user, of the machine, or of a plugin."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from fibcore.errors import FibError
from fibcore.pipeline.plan import Work
from fibcore.registry import registry
from fibcore.text import described, message, shown, text_of

FULL = (errno.ENOSPC, errno.EDQUOT)
MACHINE = (
    errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EMFILE, errno.ENFILE,
    errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENOMEM, errno.EAGAIN, errno.EISDIR, errno.ENOTDIR,
    errno.ELOOP, errno.ENAMETOOLONG,
)  # fmt: skip
"""Errors of the operating system that neither the user's input nor a plugin causes."""

NUMBA_CACHE = "numba.core.caching"
"""Module of Numba that writes compiled functions of ``njit(cache=True)`` to disk."""


def explain_failure(work: Work, error: BaseException, vanished: Path | None) -> str:
    """Return why a step failed.

    Args:
        work: the work of the step.
        error: the error that it raised.
        vanished: a folder of the run or of the cache that does not exist any more.
    """
    return message(_explained(work, error, vanished))


def _explained(work: Work, error: BaseException, vanished: Path | None) -> str:
    if vanished is not None:
        return (
            f"{shown(vanished)} disappeared during the run: it was deleted or moved, or its disk "
            f"was removed. The remaining files are intact; run the pipeline again"
        )
    if isinstance(error, FibError):
        return text_of(error)
    if isinstance(error, OSError) and error.errno in FULL:
        if _raised_in(error, NUMBA_CACHE):
            return (
                "the disk on which Numba keeps compiled functions is full; finished steps are "
                "kept. Free some space there, or set another folder with the environment "
                "variable NUMBA_CACHE_DIR"
            )
        where = "" if error.filename is None else f" ({shown(error.filename)})"
        return (
            f"the disk is full{where}; finished steps are kept. Free some space, or choose "
            f"another disk with --cache"
        )
    if isinstance(error, OSError) and error.errno in MACHINE:
        where = "" if error.filename is None else f" ({shown(error.filename)})"
        return (
            f"the operating system reported: {error.strerror}{where}; finished steps are kept. "
            f"Remove the cause and run the pipeline again"
        )
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); make the volume smaller or cut the step's inputs"
    who = ""
    if work.plugin is not None:
        entry = registry().entry(work.identifier)
        who = f" in {work.identifier} of {entry.distribution} {entry.version}"
    return (
        f"{described(error)} (an error{who}, not in your pipeline; --debug shows where; please "
        f"report it)"
    )


def _raised_in(error: BaseException, module: str) -> bool:
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(frame.f_globals.get("__name__") == module for frame in frames)
