"""Runs of the study: pipelines, voltages, instruments and seeds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fib_plugins.commands.overrides import override
from fibcore import FibError
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

    def __str__(self) -> str:
        return f"{self.pipeline}, {self.kv} kV, {self.preset} twin, seed {self.seed}"

    def run(self, size: str, out: Path, threads: int | None = None) -> RunResult:
        """Run it, or take its results from the cache.

        Networks are trained on one thread each: two runs in parallel then take less time than
        two runs in sequence on two threads each.

        Raises:
            FibError: a step failed.
        """
        files = [] if size == "cpu" else [PAPER / f"{size}.json"]
        if self.kv != 2:
            files.append(PAPER / f"{self.kv}kV.json")
        text = (PAPER / f"{self.pipeline}.json").read_text(encoding="utf-8")
        options = ["unet_*.cpu_threads=1"]
        options += ["*twin.preset=" + self.preset] if '"adapter/twin"' in text else []
        options += ["*_gan.cpu_threads=1"] if '"adapter/cyclegan"' in text else []
        given = override(json.loads(text), base=PAPER, files=files, options=options, seed=self.seed)
        plan = check_pipeline(given.document, base=PAPER)
        return run_pipeline(plan, out=out / "runs", cache=out / "cache", threads=threads)


def cells(seeds: tuple[int, ...] = SEEDS, voltages: tuple[int, ...] = VOLTAGES) -> Iterator[Cell]:
    """Yield all runs of the study: 2 kV with every seed, other voltages with the first one.

    Runs of the first seed come first. Runs that share steps are separated where possible, so that
    parallel runs do not wait for each other.
    """
    first, *others = seeds
    yield Cell("voltages", seed=first)  # the longest
    yield from _at_2_kv((first,))
    for preset in ("typical", "bad"):
        yield Cell("ensemble", preset=preset, seed=first)
    others_kv = [kv for kv in voltages if kv != 2]
    for kv in others_kv:
        yield Cell("simulation", kv, seed=first)
    for kv in voltages:
        yield Cell("solid_share", kv, seed=first)
    for kv in others_kv:
        yield Cell("adaptation", kv, seed=first)
    yield Cell("noise", seed=first)
    yield from _at_2_kv(tuple(others))


def _at_2_kv(seeds: tuple[int, ...]) -> Iterator[Cell]:
    for pipeline in ("simulation", "adaptation", "segmenters", "training_volume"):
        for seed in seeds:
            yield Cell(pipeline, seed=seed)
    for pipeline in ("adaptation", "segmenters"):
        for seed in seeds:
            yield Cell(pipeline, preset="bad", seed=seed)


def computed(cell: Cell, size: str, out: Path, threads: int) -> str:
    """Run a cell in a separate process, and return a line with its time.

    Raises:
        FibError: a step failed; names the run.
    """
    begin = time.monotonic()
    try:
        cell.run(size, out, threads)
    except FibError as error:
        raise FibError(f"{cell} failed: {error}") from None
    return f"{time.monotonic() - begin:7.0f} s  {cell}"
