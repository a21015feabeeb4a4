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


def finished_slices(shell) -> int:
    """Return how many slices the interrupted step has noted as done."""
    for note in shell.folder.glob(".fib-cache/*.partial/scratch/finished.json"):
        return len(json.loads(note.read_text())["done"])
    return 0


def test_a_killed_simulation_goes_on_and_ends_with_the_same_bytes(shell):
    document = {"version": 1, "name": "mc", "seed": 3, "steps": [STRUCTURE, IMAGES]}
    file = shell.write("p.json", document)
    shell("run", file, "--device", "cpu", "--cache", "undisturbed")
    run = shell.start("run", file, "--device", "cpu")
    limit = time.monotonic() + 100
    while time.monotonic() < limit and run.poll() is None and finished_slices(shell) < 3:
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.communicate(timeout=60)
    done = finished_slices(shell)
    assert 3 <= done < ALL
    assert "resume" in shell("run", file, "--dry-run").out
    shell("run", file, "--device", "cpu")
    assert shell.artefacts() == shell.artefacts("undisturbed")
    assert {"images.tif", "depth.tif"} <= {path.split("/")[-1] for path in shell.artefacts()}
    last = sorted(shell.folder.glob("runs/mc/*/log.jsonl"))[-1].read_text()
    assert re.search(rf"\b{ALL - done} slices to image", last)
