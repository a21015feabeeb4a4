"""A Monte Carlo run that is killed goes on at the slice where it was."""

from __future__ import annotations

import json
import os
import re
import signal
import time

STRUCTURE = {
    "id": "gold",
    "run": "generator/leveled_wave",
    "params": {
        "shape": [12, 24, 24],
        "voxel_size_nm": 4.0,
        "ligament_diameter_nm": 20,
        "solid_fraction": 0.4,
        "waves": 100,
    },
}
IMAGES = {
    "id": "mc",
    "run": "simulator/monte_carlo",
    "inputs": {"labels": "gold"},
    "params": {"energies_kev": [1, 2], "electrons_per_pixel": 100, "mean_depth": True},
}
ALL = 24  # slices, at two voltages


def finished_slices(untraced) -> int:
    """Return how many slices the interrupted step has noted as done."""
    for note in untraced.folder.glob(".fib-cache/*.partial/scratch/finished.json"):
        return len(json.loads(note.read_text())["done"])
    return 0


def test_a_killed_simulation_goes_on_and_ends_with_the_same_bytes(untraced):
    document = {"version": 1, "name": "mc", "seed": 3, "steps": [STRUCTURE, IMAGES]}
    file = untraced.write("p.json", document)
    untraced("run", file, "--device", "cpu", "--cache", "undisturbed")
    run = untraced.start("run", file, "--device", "cpu")
    limit = time.monotonic() + 100
    while time.monotonic() < limit and run.poll() is None and finished_slices(untraced) < 3:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    done = finished_slices(untraced)
    assert 3 <= done < ALL
    assert "resume" in untraced("run", file, "--dry-run").out
    untraced("run", file, "--device", "cpu")
    assert untraced.artefacts() == untraced.artefacts("undisturbed")
    assert {"images.tif", "depth.tif"} <= {path.split("/")[-1] for path in untraced.artefacts()}
    last = sorted(untraced.folder.glob("runs/mc/*/log.jsonl"))[-1].read_text()
    assert re.search(rf"\b{ALL - done} slices to image", last)
