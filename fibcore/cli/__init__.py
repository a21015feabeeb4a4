"""The command line: ``fib``."""

from __future__ import annotations

import os


def main() -> None:
    """Run the ``fib`` command."""
    # Idle OpenMP threads of torch must soon sleep, not spin: where other programs run besides,
    # training on two threads is otherwise ten times slower. Read when torch is imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from fibcore.cli.app import app

    app(prog_name="fib")
