"""Surroundings of processes that tests start."""

from __future__ import annotations

import os

_kept: dict[str, str] = {}


def follow_no_process() -> None:
    """Take out of the environment what makes coverage follow a new process line by line.

    A process takes twice to ten times as long with it, if it loads torch.
    """
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        _kept[name] = os.environ.pop(name)


def following() -> dict[str, str]:
    """Return the variables with which coverage follows a process; none if it is not measured."""
    return dict(_kept)


def outside_make() -> dict[str, str]:
    """Return the environment less what tells a make that another make has started it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
