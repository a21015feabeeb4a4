"""Results of `examples/ml_simulation.json`, from its tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fibcore import Table
from fibcore.pipeline import RunResult, check_pipeline, run_pipeline

from ..pages import table
from .page import SIMULATION

EXAMPLE = Path(__file__).parents[2] / "examples" / "ml_simulation.json"
DISTANCES = {
    "spectrum_distance": "power spectrum",
    "noise_distance": "noise",
    "scaled_grey_distance": "grey values, each stack in its own scale",
    "patch_distance": "patches",
}
TRAINED_ON = {
    "transfer_weighted": "weighted projections",
    "transfer_translated": "their translations",
    "transfer_mc": "Monte Carlo images",
}


def section(out: Path) -> str:
    """Run the example, or take its results from the cache, and return its section of the page."""
    document = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    result = run_pipeline(check_pipeline(document, base=out), out=out / "runs", cache=out / "cache")
    gap, floor, kept = (_row(result, step) for step in ("gap", "floor", "labels_kept"))
    distances = [
        [
            words,
            *(f"{value:.3f}" for value in (gap[f"before_{name}"], gap[name], floor[name])),
            f"{gap[name] / gap[f'before_{name}']:.2f}",
        ]
        for name, words in DISTANCES.items()
    ]
    transfer = [
        [words, f"{row['mds']:.4f}", f"{row['mp_percent']:.2f}"]
        for words, row in ((words, _row(result, step)) for step, words in TRAINED_ON.items())
    ]
    return SIMULATION.format(
        distances=table(
            ["distance", "projection", "translation", "floor", "after / before"], distances
        ),
        transfer=table(["trained on", "MDS", "MP (%)"], transfer),
        shift=kept["edge_shift_pixels"],
        before_shift=kept["before_edge_shift_pixels"],
        inverted=kept["inverted_slices"],
        slices=kept["slices"],
    )


def _row(result: RunResult, step: str) -> dict[str, Any]:
    found = result[step]
    assert isinstance(found, Table)
    return found.rows()[0]
