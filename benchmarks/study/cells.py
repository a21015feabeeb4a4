"""Which pipelines are run with which voltage, instrument and seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fibcore.cli.overrides import override
from fibcore.pipeline import RunResult, check_pipeline, run_pipeline

PAPER = Path(__file__).parents[2] / "examples" / "paper"
VOLTAGES = (1, 2, 4)
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Cell:
    """One run of one pipeline.

    Attributes:
        pipeline: file in examples/paper, without its ending.
        kv: accelerating voltage of the images.
        preset: of the twin's instrument.
        seed: of the pipeline.
    """

    pipeline: str
    kv: int = 2
    preset: str = "typical"
    seed: int = 1

    def run(self, size: str, out: Path) -> RunResult:
        """Run it, or take what is in the cache.

        Raises:
            FibError: a step failed.
        """
        files = [] if size == "cpu" else [PAPER / f"{size}.json"]
        if self.kv != 2:
            files.append(PAPER / f"{self.kv}kV.json")
        text = (PAPER / f"{self.pipeline}.json").read_text(encoding="utf-8")
        twin = ["*twin.preset=" + self.preset] if '"adapter/twin"' in text else []
        given = override(json.loads(text), base=PAPER, files=files, options=twin, seed=self.seed)
        plan = check_pipeline(given.document, base=PAPER)
        return run_pipeline(plan, out=out / "runs", cache=out / "cache")


def cells(seeds: tuple[int, ...] = SEEDS, voltages: tuple[int, ...] = VOLTAGES) -> Iterator[Cell]:
    """Yield all runs of the study: 2 kV with every seed, other voltages with the first one."""
    for seed in seeds:
        for pipeline in ("simulation", "adaptation", "segmenters", "training_volume"):
            yield Cell(pipeline, seed=seed)
        for pipeline in ("adaptation", "segmenters"):
            yield Cell(pipeline, preset="bad", seed=seed)
    for kv in voltages:
        if kv != 2:
            yield Cell("simulation", kv, seed=seeds[0])
            yield Cell("adaptation", kv, seed=seeds[0])
    yield Cell("voltages", seed=seeds[0])
