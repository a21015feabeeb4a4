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


def finished_slices(processes) -> int:
    """Return how many slices the interrupted step has noted as done."""
    for note in processes.folder.glob(".fib-cache/*.partial/scratch/finished.json"):
        return len(json.loads(note.read_text())["done"])
    return 0


def test_a_killed_simulation_goes_on_and_ends_with_the_same_bytes(processes):
    document = {"version": 1, "name": "mc", "seed": 3, "steps": [STRUCTURE, IMAGES]}
    file = processes.write("p.json", document)
    processes("run", file, "--device", "cpu", "--cache", "undisturbed")
    run = processes.start("run", file, "--device", "cpu")
    limit = time.monotonic() + 100
    while time.monotonic() < limit and run.poll() is None and finished_slices(processes) < 3:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    done = finished_slices(processes)
    assert 3 <= done < ALL
    assert "resume" in processes("run", file, "--dry-run").out
    processes("run", file, "--device", "cpu")
    assert processes.artefacts() == processes.artefacts("undisturbed")
    assert {"images.tif", "depth.tif"} <= {path.split("/")[-1] for path in processes.artefacts()}
    last = sorted(processes.folder.glob("runs/mc/*/log.jsonl"))[-1].read_text()
    assert re.search(rf"\b{ALL - done} slices to image", last)
