"""Environments of clusters and containers: threads set by variables, few places to write to."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from restricted import make_read_only, run_restricted

ROOT = Path(__file__).parents[2]

NETWORK = {"patch": 32, "batch_size": 4, "base_channels": 4, "epochs": 1}
STEPS = [
    {
        "id": "structure",
        "run": "generator/leveled_wave",
        "params": {
            "shape": [16, 48, 48], "voxel_size_nm": 4.0, "ligament_diameter_nm": 15,
            "solid_fraction": 0.4, "waves": 200,
        },
    },
    {
        "id": "table",
        "run": "physics/monte_carlo_table",
        "params": {
            "materials": ["epoxy", "Au"], "energies_kev": [1, 2],
            "depths_nm": [0, 10, 20, 40], "electrons": 200,
        },
    },
    {
        "id": "law",
        "fit": "physics/ann",
        "inputs": {"table": "table"},
        "params": {"epochs": 5},
    },
    {
        "id": "projected",
        "run": "simulator/weighted_projection",
        "inputs": {"labels": "structure", "physics": "law"},
        "params": {"energies_kev": [1, 2], "slices": 6},
    },
    {
        "id": "simulated",
        "run": "simulator/monte_carlo",
        "inputs": {"labels": "structure"},
        "params": {"energies_kev": [1, 2], "electrons_per_pixel": 4},
    },
    {
        "id": "stack", "run": "adapter/twin", "inputs": {"images": "simulated"},
        "params": {"preset": "typical"},
    },
    {"id": "instrument", "fit": "adapter/acquisition", "inputs": {"target": "stack",
        "source": "projected"}, "params": {"estimate": ["noise", "blur", "levels"]}},
    {"id": "recorded", "apply": "instrument", "inputs": {"images": "projected"}},
    {
        "id": "gan",
        "fit": "adapter/cyclegan",
        "inputs": {"source": "projected", "target": "stack"},
        "params": {**NETWORK, "steps_per_epoch": 2, "on_label_change": "warn"},
    },
    {
        "id": "unet",
        "fit": "segmenter/unet",
        "inputs": {"images": "recorded", "labels": "structure"},
        "params": {**NETWORK, "patches_per_epoch": 16, "depth": 2},
    },
    {"id": "solid", "apply": "unet", "inputs": {"images": "stack"}},
    {
        "id": "forest",
        "fit": "segmenter/random_forest",
        "inputs": {"images": "recorded", "labels": "structure"},
        "params": {"trees": 4},
    },
    {"id": "by_forest", "apply": "forest", "inputs": {"images": "stack"}},
    {"id": "by_kmeans", "run": "segmenter/kmeans", "inputs": {"images": "stack"}},
    {"id": "gap", "run": "metric/domain_gap",
     "inputs": {"images": "recorded", "reference": "simulated"}},
    {"id": "again", "run": "metric/reprojection",
     "inputs": {"images": "stack", "reimaged": "simulated"}},
    {"id": "shape", "run": "metric/morphology", "inputs": {"prediction": "by_kmeans"}},
    {"id": "isotropy", "run": "metric/anisotropy", "inputs": {"prediction": "by_kmeans"}},
    {"id": "errors", "run": "metric/overlap",
     "inputs": {"prediction": "by_forest", "truth": "structure"}},
]  # fmt: skip

ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA", "BLIS")
}
OTHER_THREADS = {
    "OMP_NUM_THREADS": "3",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_DYNAMIC": "true",
    "OMP_THREAD_LIMIT": "1",
    "OMP_MAX_ACTIVE_LEVELS": "0",
    "OMP_SCHEDULE": "dynamic",
    "OMP_PROC_BIND": "true",
    "MKL_DYNAMIC": "true",
}


def test_no_variable_that_sets_threads_changes_a_byte_or_stops_a_training(processes):
    pipeline = processes.write("all.json", {"version": 1, "name": "all", "seed": 1, "steps": STEPS})
    found = []
    for number, variables in enumerate((ONE_THREAD, OTHER_THREADS)):
        cache = f"cache-{number}"
        processes.environment |= variables
        processes("run", pipeline, "--cache", cache)
        found.append(processes.artefacts(cache))
        for name in variables:
            del processes.environment[name]
    one, other = found
    assert len(one) >= len(STEPS)
    assert one == other


FIB = ["-c", "from fibcore.cli import main; main()"]


@pytest.fixture
def closed(tmp_path):
    """An environment in which only a folder for runs and one for temporary files can be written."""
    site, home, temporary = (tmp_path / name for name in ("site", "home", "temporary"))
    for name, source in {"fibcore": "fibcore", "fib_plugins": "plugins"}.items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / source, site / name, ignore=ignored)
    home.mkdir()
    temporary.mkdir()
    make_read_only(site)
    make_read_only(home)
    left_out = ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR")
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {**kept, "PYTHONPATH": str(site), "HOME": str(home), "TMPDIR": str(temporary)}


def test_a_run_needs_nothing_writable_but_its_own_folders_and_a_temporary_one(shell, closed):
    metrics = [
        {"id": name, "run": f"metric/{name}", "inputs": {"prediction": "structure"}}
        for name in ("anisotropy", "morphology")
    ]
    document = {"version": 1, "name": "p", "seed": 1, "steps": [STEPS[0], *metrics]}
    pipeline = shell.write("p.json", document)
    larger = ("--set", "structure.shape=64")  # for curves that the report draws
    done = run_restricted([*FIB, "run", pipeline, *larger], shell.folder, closed)
    assert (done.returncode, done.stderr) == (0, "")
    (record,) = shell.folder.glob("runs/p/*/provenance.json")
    assert json.loads(record.read_text())["status"] == "finished"
    assert '<svg class="chart"' in (record.parent / "report.html").read_text()
    (caches,) = Path(closed["TMPDIR"]).iterdir()
    assert {path.name for path in caches.iterdir()} == {"numba", "matplotlib"}
