"""Errors that a user can cause; their messages state what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from fibcore.text import shown

if TYPE_CHECKING:
    from pydantic import ValidationError


MOST_PROBLEMS = 100
"""A check ends after about this number of problems."""


class FibError(Exception):
    """An error that the user can correct.

    The message states what was given, what is allowed and what to do. The command line prints it
    without a traceback and exits with `exit_code`: 2 if no step has run, 1 if a step failed.
    """

    exit_code = 1


@dataclass(frozen=True)
class Problem:
    """A problem of a pipeline and its place.

    Attributes:
        place: place in the pipeline, e.g. ``steps[2].params.epochs``.
        message: what was given, what is allowed, what to do.
        line: line number in the pipeline file, counted from 1, if known.
        column: column number, counted from 1, if known.
    """

    place: str
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        where = f"line {self.line}, " if self.line is not None else ""
        return f"{where}{self.place}: {self.message}"


class PipelineError(FibError):
    """The pipeline is invalid and no step has run; `problems` are all that were found."""

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], source: str = "pipeline") -> None:
        self.problems = tuple(problems)
        self.source = source
        super().__init__(problem_list(problems, source))


class UsageError(FibError):
    """A command cannot use its arguments; no step has run."""

    exit_code = 2


def problem_list(problems: Sequence[Problem], source: str) -> str:
    """Return problems of one file for a message: their number, then one on each line."""
    count = f"{len(problems)} problem" + ("s" if len(problems) != 1 else "")
    if len(problems) > MOST_PROBLEMS:
        count = f"more than {MOST_PROBLEMS} problems"
    lines = "\n".join(f"  {problem}" for problem in problems[:MOST_PROBLEMS])
    return f"{source}: {count}, nothing was run\n{lines}"


def faults(error: ValidationError, most: int = 3) -> str:
    """Return place and reason of the first few errors of a pydantic validation."""
    found = []
    for item in error.errors(include_url=False)[:most]:
        place = ".".join(shown(part, 60) for part in item["loc"]) or "the whole"
        reason = str(item.get("ctx", {}).get("error", item["msg"]))
        reason = reason.replace("Input should be", "it must be")
        given = "" if item["type"] == "missing" else f", not {shown(repr(item['input']), 60)}"
        found.append(f"{place}: {shown(reason[:1].lower() + reason[1:], 200)}{given}")
    more = error.error_count() - len(found)
    return "; ".join(found) + (f"; and {more} more" if more > 0 else "")


def did_you_mean(given: str, allowed: Iterable[str], limit: int = 3) -> str:
    """Return `` Did you mean 'a' or 'b'?`` for the names nearest to `given`, else an empty string.

    Case is ignored. The last part of qualified names (``kind/name``) is compared as well, so that
    ``segmenter/u_net`` and ``unet`` both find ``segmenter/unet``.
    """
    names = sorted(set(allowed))
    keys: dict[str, str] = {}
    for name in names:
        keys.setdefault(name.lower(), name)
        keys.setdefault(name.lower().rsplit("/", 1)[-1], name)
    tails = [given.lower()]
    if "/" in given:
        tails.append(given.lower().rsplit("/", 1)[-1])
    found: list[str] = []
    for tail in tails:
        for key in get_close_matches(tail, list(keys), n=limit, cutoff=0.6):
            if keys[key] not in found:
                found.append(keys[key])
    if not found:
        return ""
    return " Did you mean " + " or ".join(repr(name) for name in found[:limit]) + "?"


def listed(names: Iterable[str], limit: int = 12) -> str:
    """Return names as ``a, b, c`` for a message, at most `limit` of them."""
    names = list(names)
    if not names:
        return "none"
    more = f", ... ({len(names) - limit} more)" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def sized(nbytes: float) -> str:
    """Return a size for a message, e.g. ``1.5 MB`` (decimal units)."""
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if nbytes < 999.5 or unit == "TB":
            break
        nbytes /= 1000
    return f"{nbytes:.0f} {unit}" if nbytes >= 10 or unit == "bytes" else f"{nbytes:.1f} {unit}"
