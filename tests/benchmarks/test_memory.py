"""What steps forecast of their memory is near to what they take."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.memory import SMALL, cases, write_inputs

ROOT = Path(__file__).parents[2]
SHAPE, WIDE = (64, 448, 448), (12, 1024, 1024)
"""Many slices, which memory must not grow with, and large ones, whose pixels it is counted in."""
FACTOR = 1.5


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the memory from /proc")
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("threshold", SHAPE),
        ("morphology", SHAPE),
        ("kmeans", SHAPE),
        ("weighted_projection", WIDE),
        ("domain_gap", WIDE),
    ],
)
def test_a_step_takes_about_as_much_memory_as_it_forecasts(
    name: str, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    for size in (SMALL, shape):
        write_inputs(tmp_path / "x".join(map(str, size)), size)
    command = [sys.executable, "-m", "benchmarks.memory", name, "--measure", str(tmp_path)]
    done = subprocess.run(
        [*command, "--shape", *map(str, shape)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    forecast, peak = json.loads(done.stdout.splitlines()[-1])
    assert peak / FACTOR < forecast < FACTOR * peak


def test_cases_name_the_same_steps_in_every_size() -> None:
    assert cases(SMALL).keys() == cases(SHAPE).keys()
