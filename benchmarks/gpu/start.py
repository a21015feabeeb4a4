"""Measure everything on an NVIDIA GPU, from a checkout in any place: ``make gpu``.

    python3 benchmarks/gpu/start.py [--wheels FOLDER] [--out FOLDER] [--parts "NAMES"] [--dry]

Run it with the Python that has PyTorch and Numba; fib need not be installed. See
docs/guide/gpu.md, or ``--help``.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - this file may be run by any Python
        sys.exit("fib needs Python 3.11 or newer: use another one, PYTHON=... with make")
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
