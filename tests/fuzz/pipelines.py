"""Pipelines changed at random, made from the number of a case: checked, and run if that is quick.

python -m tests.fuzz.pipelines --count 5000 --seed 1
"""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from fibcore import FibError, Images, Labels, Table
from fibcore.formats import write_table, write_volume
from fibcore.pipeline import StepError, check_pipeline, read_pipeline, run_pipeline
from fibcore.text import message
from tests.fuzz.command import run_from_command_line
from tests.fuzz.harness import Outcome, run_cases
from tests.fuzz.json_mutations import Random, changed, written

EXAMPLES = Path(__file__).parents[2] / "examples"
LARGEST_NUMBER = 64
"""Pipelines in which a number is larger are only checked: they might take for ever."""
QUICK_BYTES = 200 * 2**20
SHAPE = (6, 16, 20)

SMALL: list[dict[str, Any]] = [
    {"id": "gold", "run": "generator/leveled_wave",
     "params": {"shape": [6, 16, 20], "voxel_size_nm": 5, "ligament_diameter_nm": 30,
                "solid_fraction": 0.4, "waves": 20}},
    {"id": "balls", "run": "generator/particles",
     "params": {"shape": [8, 16, 16], "voxel_size_nm": 5, "diameter_nm": 30,
                "solid_fraction": 0.3}},
    {"id": "law", "run": "physics/hunger_kuchler", "params": {"overlayer": "epoxy"}},
    {"id": "sem", "run": "simulator/weighted_projection",
     "inputs": {"labels": "gold", "physics": "law"},
     "params": {"energies_kev": [2, 4], "slices": 4}},
    {"id": "worn", "run": "adapter/acquisition", "inputs": {"images": "sem"},
     "params": {"preset": "typical"}},
    {"id": "solid", "run": "segmenter/threshold",
     "inputs": {"images": {"from": "worn", "kv": [2], "z": [0, 1]}}, "params": {"method": "otsu"}},
    {"id": "score", "run": "metric/overlap", "inputs": {"prediction": "solid", "truth": "gold"}},
    {"id": "file", "load": "images.tif", "params": {"voxel_size_nm": 5, "kv": 2}},
    {"id": "mask", "load": "labels.tif", "params": {"as": "labels", "voxel_size_nm": 5}},
    {"id": "table", "load": "table.csv"},
    {"id": "match", "fit": "adapter/histogram_match",
     "inputs": {"source": {"from": "sem", "kv": [4]}, "target": "file"},
     "params": {"quantiles": 64}},
    {"id": "endless", "run": "source/virtual_stacks", "inputs": {"physics": "law"},
     "params": {
         "structures": [{"plugin": "generator/leveled_wave", "weight": 2,
                         "params": {"shape": [6, 16, 20], "voxel_size_nm": 5, "waves": 20,
                                    "ligament_diameter_nm": {"between": [20, 30]},
                                    "solid_fraction": {"among": [0.3, 0.4]}}}],
         "simulator": {"plugin": "simulator/weighted_projection",
                       "params": {"energies_kev": [2], "slices": {"between": [2, 4]}}},
         "instrument": {"plugin": "adapter/acquisition", "params": {"gain": 0.5}}}},
    {"id": "matched", "apply": "match", "inputs": {"images": {"from": "sem", "kv": [4]}}},
]  # fmt: skip
"""A step of every verb, each quick; a mutant has some of them."""


@cache
def _documents() -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(EXAMPLES.rglob("*.json"))]


def write_files(folder: Path) -> None:
    """Write what load steps read."""
    random = np.random.default_rng(1)
    labels = Labels(random.integers(0, 2, SHAPE).astype(np.uint8), (5.0, 5.0, 5.0))
    images = random.integers(0, 200, (1, *SHAPE)).astype(np.uint8)
    write_volume(labels, folder / "labels.tif")
    write_volume(Images(images, (5.0, 5.0, 5.0), kv=(2.0,)), folder / "images.tif")
    write_table(Table({"x": [1.0, 2.0], "name": ["a", "b"]}), folder / "table.csv")


def mutant(case: int) -> bytes:
    """Return the pipeline file with a number."""
    random = np.random.default_rng(case)
    if random.random() < 0.25:
        documents = _documents()
        document = documents[int(random.integers(len(documents)))]
    else:
        document = {"version": 1, "name": "small", "seed": 3, "steps": _some(random)}
    return written(changed(document, random), random)


def _some(random: Random) -> list[dict[str, Any]]:
    """Return up to three of the small steps, and those that they read."""
    wanted = {SMALL[int(number)]["id"] for number in random.integers(0, len(SMALL), 3)}
    for step in reversed(SMALL):
        if step["id"] in wanted:
            text = json.dumps([step.get("inputs"), step.get("apply")])
            wanted |= {other["id"] for other in SMALL if f'"{other["id"]}"' in text}
    return [step for step in SMALL if step["id"] in wanted]


def judge(case: int) -> str:
    """Check the pipeline with a number, and run it where that is quick."""
    logging.getLogger("fib").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        write_files(base)
        (base / "p.json").write_bytes(mutant(case))
        return judged(base, base / "p.json")


def judged(base: Path, file: Path, *, quick: bool = False) -> str:
    """Check a pipeline file, and run it where that is quick (or said to be)."""
    try:
        located = read_pipeline(file)
        plan = check_pipeline(located.data, base=base, source=str(file), located=located)
        if not quick and not _is_quick(plan):
            return "checked"
        run_pipeline(plan, out=base / "runs", cache=base / "cache", device="cpu", threads=1)
    except FibError as error:
        text = message(str(error))
        text.encode()
        if "please report it" in text or len(text) > 110_000:
            cause = error.__cause__ if isinstance(error, StepError) else error
            raise AssertionError(text) from cause
        raise
    return "run"


def _is_quick(plan: Any) -> bool:
    steps = plan.steps
    return (
        all(step.expected.memory_bytes < QUICK_BYTES for step in steps)
        and sum(step.expected.disk_bytes for step in steps) < QUICK_BYTES
        and all(abs(n) <= LARGEST_NUMBER for n in _numbers(plan.document["steps"]))
        and all(n >= 1e-3 for n in map(abs, _numbers(plan.document["steps"])) if n)
        and not any(step.verb == "fit" and "histogram" not in step.identifier for step in steps)
        and not any("monte_carlo" in step.identifier for step in steps)
    )


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield value


def check(count: int, seed: int, workers: int = 2) -> list[Outcome]:
    """Judge `count` cases, in a row from one that the seed names."""
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    cases = range(seed * 1_000_000, seed * 1_000_000 + count)
    return run_cases(judge, cases, workers=workers, seconds=60.0, memory_bytes=3 << 30)


if __name__ == "__main__":
    sys.exit(run_from_command_line(check, __doc__, "pipelines"))
