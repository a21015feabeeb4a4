"""Kill runs of a pipeline with ``kill -9`` at random moments, go on, and compare the bytes.

python -m tests.crash.kills --kills 100 --seed 1

Runs are killed while they work at one step or another, and go on, until one ends: then every result
has to hold the bytes of an undisturbed run, and the cache nothing else. With a new cache it begins
again, until there were as many kills as asked for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fib_plugins.commands.kept import Cache
from fibcore import Images, Table
from fibcore.formats import write_table, write_volume

UNET = {"dimensions": "2d", "patch": 16, "epochs": 5, "batch_size": 8, "base_channels": 4,
        "depth": 2, "patches_per_epoch": 32, "cpu_threads": 1}  # fmt: skip
GAN = {"base_channels": 4, "depth": 1, "blocks": 1, "discriminator_channels": 4, "patch": 32,
       "epochs": 3, "steps_per_epoch": 3, "validation_slices": 2, "cpu_threads": 1,
       "on_label_change": "warn"}  # fmt: skip
SURROGATE = {"energies_kev": [2], "voxel_size_nm": 5, "teaching_structures": 24, "rounds": 3,
             "teaching_shape": [8, 32, 32], "teaching_slices": 4, "steps": 60, "features": 4,
             "planes": 4, "batch_size": 4, "cpu_threads": 1, "electrons_per_pixel": 20,
             "mean_depth": True, "referee_share": 0.1, "on_failure": "warn"}  # fmt: skip

QUICK: list[dict[str, Any]] = [
    {"id": "gold", "run": "generator/leveled_wave",
     "params": {"shape": [24, 64, 64], "voxel_size_nm": 5, "ligament_diameter_nm": 30,
                "solid_fraction": 0.4, "waves": 2000}},
    {"id": "real", "load": "real.tif", "params": {"voxel_size_nm": 5, "kv": 2}},
    {"id": "sem", "run": "simulator/weighted_projection", "inputs": {"labels": "gold"},
     "params": {"energies_kev": [2], "slices": 8}},
    {"id": "match", "fit": "adapter/histogram_match",
     "inputs": {"source": "sem", "target": "real"}},
    {"id": "matched", "apply": "match", "inputs": {"images": "sem"}},
    {"id": "solid", "run": "segmenter/threshold", "inputs": {"images": "matched"}},
    {"id": "score", "run": "metric/overlap", "inputs": {"prediction": "solid", "truth": "gold"}},
    {"id": "shape", "run": "metric/morphology", "inputs": {"prediction": "solid"}},
]  # fmt: skip
"""Every verb, and no step that learns for long."""

LEARNING: list[dict[str, Any]] = [
    {"id": "measured", "load": "eta.csv"},
    {"id": "simulated", "run": "physics/monte_carlo_table",
     "params": {"materials": ["epoxy", "C", "Au"], "energies_kev": [1, 2, 4],
                "depths_nm": [0, 10, 20], "electrons": 2000}},
    {"id": "law", "fit": "physics/ann", "inputs": {"table": "measured"},
     "params": {"epochs": 8}},
    {"id": "electrons", "run": "simulator/monte_carlo",
     "inputs": {"labels": {"from": "gold", "z": [0, 0.25], "y": [0, 0.3], "x": [0, 0.3]}},
     "params": {"energies_kev": [2], "electrons_per_pixel": 20}},
    {"id": "surrogate", "fit": "simulator/surrogate", "params": SURROGATE},
    {"id": "by_surrogate", "apply": "surrogate", "inputs": {"labels": "gold"}},
    {"id": "forest", "fit": "segmenter/random_forest",
     "inputs": {"images": "sem", "labels": "gold"}, "params": {"trees": 20, "sample_voxels": 5000}},
    {"id": "by_forest", "apply": "forest", "inputs": {"images": "sem"}},
    {"id": "net", "fit": "segmenter/unet", "inputs": {"images": "sem", "labels": "gold"},
     "params": UNET},
    {"id": "by_net", "apply": "net", "inputs": {"images": "sem"}},
    {"id": "gan", "fit": "adapter/cyclegan", "inputs": {"source": "sem", "target": "real"},
     "params": GAN},
    {"id": "by_gan", "apply": "gan", "inputs": {"images": "sem"}},
]  # fmt: skip
"""Steps that go on from checkpoints, finished rows and finished slices."""


@dataclass
class Kills:
    """A folder in which a pipeline runs and is killed.

    Attributes:
        folder: the folder.
        seed: what the moments of the kills depend on.
        steps: of the pipeline.
        killed: how often each step was being worked on when a run was killed.
        runs: number of runs that ended.
    """

    folder: Path
    seed: int
    steps: list[dict[str, Any]]
    killed: Counter[str] = field(default_factory=Counter)
    runs: int = 0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng(self.seed)
        random = np.random.default_rng(1)
        blobs = np.kron(random.integers(0, 2, (6, 8, 8)), np.ones((2, 8, 8)))
        grey = (90 * blobs + 60 + random.normal(0, 12, blobs.shape)).clip(0, 255)
        write_volume(
            Images(grey.astype(np.uint8)[None], (5.0, 5.0, 5.0), kv=(2.0,)),
            self.folder / "real.tif",
        )
        table = Table.from_rows(
            {"material": name, "atomic_number": z, "energy_kev": energy, "depth_nm": depth,
             "eta": 0.005 * z * float(np.exp(-depth / (20 * energy)))}
            for name, z in (("C", 6.0), ("Cu", 29.0), ("Au", 79.0))
            for energy in (1.0, 2.0, 4.0) for depth in (0.0, 20.0, 50.0)
        )  # fmt: skip
        write_table(table, self.folder / "eta.csv")
        document = {"version": 1, "name": "killed", "seed": 5, "steps": self.steps}
        (self.folder / "p.json").write_text(json.dumps(document, indent=1))

    def until(self, kills: int) -> None:
        """Kill runs until there were so many kills, and compare what comes out in the end.

        Raises:
            AssertionError: something is different, left over or damaged.
        """
        assert self._run("undisturbed") is None
        expected = artefacts(self.folder / "undisturbed")
        (record,) = self.folder.glob("runs/killed/*/provenance.json")
        self._seconds = {s["id"]: s["seconds"] for s in json.loads(record.read_text())["steps"]}
        number = 0
        while self.killed.total() < kills:
            cache = f"cache-{number}"
            number += 1
            waiting = [str(step) for step in self._random.permutation([*self._seconds])]
            while waiting and self.killed.total() < kills:
                at_work = self._run(cache, waiting.pop(0))
                if at_work is None:
                    break
                self.killed[at_work] += 1
            assert self._run(cache) is None
            self._compare(cache, expected)
            self.runs += 1

    def _run(self, cache: str, victim: str = "") -> str | None:
        """Run the pipeline, to the end, or until it is killed while a step is at work.

        Args:
            cache: name of the cache.
            victim: the step; where it is finished already, none is killed.

        Returns:
            The step that was at work when the run was killed; None if it has ended.
        """
        known = set(self.folder.glob("runs/killed/*"))
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("fib")), "run", "p.json", "--cache", cache],
            cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        while victim and process.poll() is None:
            if victim in _events(self._new(known), "step started"):
                time.sleep(float(self._random.uniform(0, 1.1 * self._seconds[victim])))
                process.kill()
                break
            time.sleep(0.005)
        told, _ = process.communicate(timeout=600)
        if process.returncode == -9:
            started, ended = (
                _events(self._new(known), name) for name in ("step started", "step finished")
            )
            return next((step for step in started if step not in ended), "between steps")
        assert process.returncode == 0, told
        return None

    def _new(self, known: set[Path]) -> Path | None:
        return next((run for run in self.folder.glob("runs/killed/*") if run not in known), None)

    def _compare(self, cache: str, expected: dict[str, bytes]) -> None:
        root = self.folder / cache
        found = artefacts(root)
        assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
        different = [name for name in expected if found[name] != expected[name]]
        assert not different, f"other bytes than undisturbed: {different}"
        left = [path.name for path in root.iterdir() if not _is_finished(path)]
        assert not left, f"left over in the cache: {left}"
        damaged = [problem for _, problem in Cache(root).damaged() if problem]
        assert not damaged, damaged


def artefacts(cache: Path) -> dict[str, bytes]:
    """Return the bytes of every file of finished steps but their records, which tell times."""
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in sorted(cache.glob("*/*"))
        if path.is_file() and path.name != "step.json" and path.parent.name != "locks"
    }


def _is_finished(path: Path) -> bool:
    return path.name == "locks" or (path / "step.json").is_file()


def _events(run: Path | None, name: str) -> list[str]:
    """Return the steps of the events of one name in a run's log; a kill may have cut it short."""
    log = None if run is None else run / "log.jsonl"
    found = []
    for line in log.read_text().splitlines() if log is not None and log.exists() else ():
        try:
            event = json.loads(line)
        except ValueError:
            break
        if event["event"] == name:
            found.append(event["step"])
    return found


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100, help="number of kills")
    parser.add_argument("--seed", type=int, default=1, help="which moments")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fib-crash-") as folder:
        kills = Kills(Path(folder), given.seed, [*QUICK, *LEARNING])
        kills.until(given.kills)
    counts = ", ".join(f"{step} {count}" for step, count in kills.killed.most_common())
    print(f"{kills.killed.total()} kills ({counts}); {kills.runs} runs ended: same bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
