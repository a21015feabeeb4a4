"""Why a step failed, in words: what is the user's to mend, the machine's, or a plugin's fault."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

from fibcore.errors import FibError
from fibcore.pipeline.plan import PlannedStep
from fibcore.registry import registry
from fibcore.text import described, message, shown, text_of

FULL = (errno.ENOSPC, errno.EDQUOT)
MACHINE = (
    errno.EIO, errno.EROFS, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.EMFILE, errno.ENFILE,
    errno.EACCES, errno.EPERM, errno.EFBIG, errno.ENOMEM, errno.EAGAIN,
)  # fmt: skip
"""What the operating system refuses for reasons of its own."""

NUMBA_CACHE = "numba.core.caching"
"""Module that writes what a function of a package with ``njit(cache=True)`` was compiled to."""


def explain_failure(step: PlannedStep, error: BaseException, vanished: Path | None) -> str:
    """Return why a step failed.

    Args:
        step: the step.
        error: what it raised.
        vanished: a folder of the run or the cache that is not there any more.
    """
    return message(_explained(step, error, vanished))


def _explained(step: PlannedStep, error: BaseException, vanished: Path | None) -> str:
    if vanished is not None:
        return (
            f"{shown(vanished)} vanished while the run was going on: it was deleted or moved, or "
            f"its disk was taken away. What is left is whole; run the pipeline again"
        )
    if isinstance(error, FibError):
        return text_of(error)
    if isinstance(error, OSError) and error.errno in FULL:
        if _raised_in(error, NUMBA_CACHE):
            return (
                "the disk on which Numba keeps compiled functions is full; finished steps are "
                "whole. Free some space there, or name another folder with the environment "
                "variable NUMBA_CACHE_DIR"
            )
        where = "" if error.filename is None else f" ({shown(error.filename)})"
        return (
            f"the disk is full{where}; finished steps are whole. Free some space, or choose "
            f"another disk with --cache"
        )
    if isinstance(error, OSError) and error.errno in MACHINE:
        where = "" if error.filename is None else f" ({shown(error.filename)})"
        return (
            f"the operating system refused: {error.strerror}{where}; finished steps are whole. "
            f"See to the cause and run the pipeline again"
        )
    if isinstance(error, MemoryError):
        return f"not enough memory ({error}); make the volume smaller or cut the step's inputs"
    who = ""
    if step.work.plugin is not None:
        entry = registry().entry(step.identifier)
        who = f" in {step.identifier} of {entry.distribution} {entry.version}"
    return (
        f"{described(error)} (an error{who}, not in your pipeline; --debug shows where; please "
        f"report it)"
    )


def _raised_in(error: BaseException, module: str) -> bool:
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(frame.f_globals.get("__name__") == module for frame in frames)
