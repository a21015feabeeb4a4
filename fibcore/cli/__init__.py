"""The command line: ``fib``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the ``fib`` command."""
    # Idle OpenMP threads of torch must soon sleep, not spin: where other programs run besides,
    # training on two threads is otherwise ten times slower. Read when torch is imported.
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from fibcore.cli.app import app
    from fibcore.cli.errors import run_cleanly

    sys.exit(run_cleanly(app))
