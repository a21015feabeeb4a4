"""Surroundings of processes that tests start."""

from __future__ import annotations

import os


def without_coverage() -> dict[str, str]:
    """Return the environment less what makes coverage follow a new process line by line.

    For long computations that other tests cover: traced they take twice to ten times as long.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}


def outside_make() -> dict[str, str]:
    """Return the environment less what tells a make that another make has started it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
