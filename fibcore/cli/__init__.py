"""The command line: ``fib``.

The functions that commands of packages use are public here. They are loaded at first use.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fibcore.cli.options import CacheOption, DebugOption, JsonOption, OutOption
    from fibcore.cli.terminal import console, echo, echo_wrapped, plain, write, write_json

_HOMES = {
    "CacheOption": "options",
    "DebugOption": "options",
    "JsonOption": "options",
    "OutOption": "options",
    "plain": "terminal",
    "console": "terminal",
    "echo": "terminal",
    "echo_wrapped": "terminal",
    "write": "terminal",
    "write_json": "terminal",
}

__all__ = ["CacheOption", "DebugOption", "JsonOption", "OutOption", "console", "echo",
           "echo_wrapped", "main", "plain", "write", "write_json"]  # fmt: skip


def main() -> None:
    """Run the ``fib`` command."""
    # Idle OpenMP threads of torch must sleep soon, not spin: with other programs running, training
    # on two threads is otherwise ten times slower. The variable is read when torch is imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from fibcore.cli.errors import run_cleanly
    from fibcore.cli.extensions import command_line

    sys.exit(run_cleanly(command_line))


if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name: str) -> Any:
        if name in _HOMES:
            return getattr(import_module(f"fibcore.cli.{_HOMES[name]}"), name)
        raise AttributeError(f"module 'fibcore.cli' has no attribute {name!r}")
