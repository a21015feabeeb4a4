"""The first image in a process: ``python -m benchmarks.gpu.first_call cpu|gpu TYPE``.

Prints the time of compiling or loading and computing it, and the counts, as JSON.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from fib_plugins.electrons.electron import make_beam
from fib_plugins.electrons.imaging import Imager, make_lattice
from fib_plugins.electrons.medium import build_tables
from fibcore import Labels
from fibcore.materials import EPOXY, GOLD


def main() -> None:
    on, dtype, edge, electrons = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    coarse = np.random.default_rng(1).integers(0, 2, (4, edge // 2, edge // 2))
    labels = Labels(np.kron(coarse, np.ones((2, 2, 2))).astype(np.uint8), (4.0,) * 3)
    imager = Imager(
        make_lattice(labels, [0, 1], dtype=dtype),
        build_tables([EPOXY, GOLD], 1.0, dtype=dtype),
        make_beam(1.0, dtype=dtype),
        electrons_per_pixel=electrons,
        key=1,
        gpu=on == "gpu",
    )
    start = time.perf_counter()
    tally = imager.image(0, (0, edge), (0, edge))
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "counts": tally.counts.tolist()}))


if __name__ == "__main__":
    main()
