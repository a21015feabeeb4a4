"""The command line: ``fib``."""

from __future__ import annotations

import os


def main() -> None:
    """Run the ``fib`` command."""
    # Idle OpenMP threads of torch must sleep, not spin: on a machine that does other work besides,
    # training on two threads is otherwise several times slower. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from fibcore.cli.app import app

    app(prog_name="fib")
