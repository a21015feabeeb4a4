"""What was found in a stack, and what is done about it."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from fibcore import Context
from fibcore.registry import registry

QUIET = logging.Logger("fib.look", logging.CRITICAL)
"""Plugins that look at a sample do not warn: the run will, of the whole stack."""


@dataclass(frozen=True)
class Finding:
    """One line of what the look at a stack shows.

    Attributes:
        subject: what was looked at, e.g. ``drift``.
        found: what it is, with units.
        done: what the pipeline does about it; empty: nothing.
    """

    subject: str
    found: str
    done: str = ""


def quiet_context(threads: int | None = None) -> Context:
    """Return the context of a plugin that looks at the sample."""
    return Context(0, device="cpu", threads=threads, log=QUIET)


def plugin(identifier: str, **params: object) -> object:
    """Return a plugin with these parameters, as a step would make it."""
    return registry().plugin(identifier)(**params)
