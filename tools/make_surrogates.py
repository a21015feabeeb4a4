"""Train the surrogates that come with the package, and write them with their provenance.

    python tools/make_surrogates.py [NAME ...] [--scratch FOLDER]

Weights are stored with 16 bits, which changes yields by less than 0.001. It takes ten to twenty
minutes for each on two cores, and resumes if it was stopped. The same versions of fib, NumPy and
PyTorch give the same bytes on one machine.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save

import fibcore
from fib_plugins import Surrogate
from fib_plugins.simulators.surrogate import shipped
from fibcore import Context

SEED = 2026
COMMON: dict[str, Any] = {
    "energies_kev": [1.0, 2.0, 4.0],
    "materials": ["epoxy", "Au"],
    "teaching_structures": 640,
    "teaching_slices": 6,
    "rounds": 8,
    "steps": 9000,
}
MODELS: dict[str, dict[str, Any]] = {
    "gold_in_epoxy_3nm": {"voxel_size_nm": 3.26},
    "gold_in_epoxy_10nm": {
        "voxel_size_nm": [10.0, 3.26, 3.26],
        "teaching_shape": [40, 64, 64],
        "teaching_structures": 320,
        "steps": 4500,
    },
}
assert tuple(MODELS) == shipped.NAMES
FOLDER = Path(shipped.__file__).parent / shipped.FOLDER


def main() -> None:
    """Train the named models, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[])
    parser.add_argument("--scratch", type=Path, default=Path("build/surrogates"))
    chosen = parser.parse_args()
    for name in chosen.names or MODELS:
        make(name, chosen.scratch / name)


def make(name: str, scratch: Path) -> None:
    """Train a model and write its weights and its record."""
    start = time.perf_counter()
    last = 0.0

    def report(what: str, done: float, total: float | None) -> None:
        nonlocal last
        if time.perf_counter() - last > 30.0:
            last = time.perf_counter()
            print(f"{name}: {what}, {100 * done / (total or 1):.0f} %", flush=True)

    context = Context(SEED, scratch=scratch, report=report)
    surrogate = Surrogate(**{**COMMON, **MODELS[name]}).fit(context=context)
    model = surrogate.model
    accuracy = context.kept["accuracy"]
    record = {
        "plugin": model.plugin,
        "params": model.params,
        "info": model.info,
        "provenance": {
            "command": f"python tools/make_surrogates.py {name}",
            "seed": SEED,
            "fib": fibcore.__version__,
            "torch": torch.__version__.partition("+")[0],
            "numpy": np.__version__,
            "machine": platform.machine(),
            "seconds": round(time.perf_counter() - start),
            "accuracy": [
                {figure: None if value != value else value for figure, value in row.items()}
                for row in accuracy.rows()
            ],
        },
    }
    FOLDER.mkdir(exist_ok=True)
    weights = {key: array.astype(np.float16) for key, array in model.weights.items()}
    (FOLDER / f"{name}.safetensors").write_bytes(save(weights))
    text = json.dumps(record, indent=1, default=float)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
